# SPDX-License-Identifier: Apache-2.0
"""Writes the GGUF files of golden_models.py with gguf: a language model in mixed block types, and its mmproj.

The old form of the mmproj has fc1 and fc2 under each other's name, as LLaVA's first converters wrote it; the new form
states the layer whose output is taken. Both hold the layers that run and no others. The model in memory gets the values
that the blocks decode to. Blocks that gguf cannot encode (K-quants, IQ4_NL) are random bytes with a fitting scale.
golden_weights.json has the CRC-32 of each weight's values in f32, under its name in the original layout.
"""
import json
import zlib

import gguf
import numpy as np
import sentencepiece
import torch

TYPES = gguf.GGMLQuantizationType
KINDS = {
    "gguf_llama": {"token_embd": "Q8_0", "output": "Q4_1", "attn_q": "Q5_0", "attn_k": "Q4_0", "attn_v": "Q8_0",
                   "attn_output": "Q5_1", "attn_qkv": "Q5_1", "ffn_gate": "IQ4_NL", "ffn_up": "Q4_0",
                   "blk.0.ffn_down": "Q4_K", "blk.1.ffn_down": "Q6_K"},
    "gguf_qwen2": {"token_embd": "Q8_0", "attn_q": "F16", "attn_k": "BF16", "attn_v": "F16", "attn_output": "Q8_0",
                   "ffn_gate": "BF16", "ffn_up": "Q5_1", "ffn_down": "Q4_1"},
}
TEXT_NAMES = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "self_attn.q_proj": "attn_q",
              "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
              "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
              "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
VISION_NAMES = {"embeddings.class_embedding": "class_embd", "embeddings.patch_embedding": "patch_embd",
                "embeddings.position_embedding": "position_embd", "pre_layrnorm": "pre_ln", "layer_norm1": "ln1",
                "layer_norm2": "ln2", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
                "self_attn.v_proj": "attn_v", "self_attn.out_proj": "attn_out", "mlp.fc1": "ffn_up",
                "mlp.fc2": "ffn_down"}
SCALES = {"Q4_K": (0, 2, 7.5), "Q6_K": (208, None, 0), "IQ4_NL": (0, None, 0)}  # offsets of d and dmin, mean of a code


def random_blocks(name, rows, columns, std, rng):
    elements, size = gguf.GGML_QUANT_SIZES[TYPES[name]]
    raw = rng.integers(0, 256, (rows * columns // elements, size), dtype=np.uint8)
    d_at, least_at, mean = SCALES[name]

    def put(at, value):
        raw[:, at:at + 2] = np.full((len(raw), 1), value, np.float16).view(np.uint8)

    scale = 1.0
    for _ in range(2):  # the second time with the spread of the first
        put(d_at, scale)
        if least_at is not None:
            put(least_at, scale * mean)
        scale *= std / gguf.dequantize(raw, TYPES[name]).std()
    return raw.reshape(rows, -1)


def encode(values, name, rng):
    """Returns the bytes of a matrix for the file, and what they decode to."""
    if name in SCALES:
        raw = random_blocks(name, *values.shape, values.std(), rng)
    else:
        raw = gguf.quantize(values, TYPES[name])
    return raw, gguf.dequantize(raw, TYPES[name]).reshape(values.shape)


def by_neighbours(values, heads):
    """Moves the rows of each head from halves, (j, j + d / 2), to neighbours, (2j, 2j + 1)."""
    return values.reshape(heads, 2, -1, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def by_halves(values, heads):
    return values.reshape(heads, -1, 2, *values.shape[1:]).swapaxes(1, 2).reshape(values.shape)


def finish(writer, tensors):
    for name, raw, kind in tensors:
        writer.add_tensor(name, np.ascontiguousarray(raw), raw_dtype=TYPES[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def add_tokenizer(writer, folder, rows):
    if (folder / "tokenizer.model").exists():
        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        ids = range(pieces.get_piece_size())
        tokens = [pieces.id_to_piece(i) for i in ids]
        types = [2 if pieces.is_unknown(i) else 3 if pieces.is_control(i) else 6 if pieces.is_byte(i) else 1
                 for i in ids]
        scores = [pieces.get_score(i) for i in ids]
        writer.add_tokenizer_model("llama")
        writer.add_token_scores(scores + [-10000.0] * (rows - len(tokens)))
        special = {"bos": 1, "eos": 2, "unk": 0}
    else:
        about = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        names = {i: t for t, i in about["model"]["vocab"].items()}
        added = {t["id"]: t["content"] for t in about["added_tokens"]}
        tokens = [added.get(i) or names[i] for i in range(len(names | added))]
        types = [3 if i in added else 1 for i in range(len(tokens))]
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("qwen2")
        writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in about["model"]["merges"]])
        special = {"eos": tokens.index("<|im_end|>"), "pad": tokens.index("<|endoftext|>")}
    writer.add_token_list(tokens + [f"[PAD{i}]" for i in range(len(tokens), rows)])
    writer.add_token_types(types + [5] * (rows - len(types)))
    for name, value in special.items():
        getattr(writer, f"add_{name}_token_id")(value)


def write_language(spec, text, head, folder, rng):
    """`text`: the language model without its head. Sets the values of its weights."""
    c, llama = text.config, spec.text_type == "llama"
    g = gguf.GGUFWriter(folder / "model.gguf", spec.text_type)
    g.add_name("llava-v1.5-random" if llama else "random")
    g.add_context_length(c.max_position_embeddings)
    g.add_embedding_length(c.hidden_size)
    g.add_block_count(c.num_hidden_layers)
    g.add_feed_forward_length(c.intermediate_size)
    g.add_head_count(c.num_attention_heads)
    g.add_head_count_kv(c.num_key_value_heads)
    g.add_layer_norm_rms_eps(c.rms_norm_eps)
    g.add_rope_freq_base(c.rope_parameters["rope_theta"])
    if c.rope_parameters["rope_type"] == "linear":
        g.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        g.add_rope_scaling_factor(c.rope_parameters["factor"])
    add_tokenizer(g, folder, c.vocab_size)
    tensors, fused, d = [], {}, c.hidden_size // c.num_attention_heads
    weights = list(text.named_parameters())
    if not spec.text.get("tie_word_embeddings"):
        weights.append(("lm_head.weight", head))
    for name, p in weights:
        part, ending = name.removeprefix("layers.").rsplit(".", 1)
        layer, _, inner = part.partition(".")
        block = f"blk.{layer}." if name.startswith("layers.") else ""
        short = TEXT_NAMES[inner if block else part]
        heads = {"attn_q": c.num_attention_heads, "attn_k": c.num_key_value_heads}.get(short, 0) if llama else 0
        values = p.data.numpy()
        values = by_neighbours(values, heads) if heads else values
        kinds = KINDS[spec.name]
        is_fused = llama and layer == "1" and short in ("attn_q", "attn_k", "attn_v")
        kind = "F32" if p.dim() == 1 else kinds["attn_qkv"] if is_fused else kinds.get(block + short) or kinds[short]
        raw, back = encode(values, kind, rng)
        p.data = torch.tensor(by_halves(back, heads) if heads else back)
        if is_fused:
            fused[short] = raw
        else:
            tensors.append((f"{block}{short}.{ending}", raw, kind))
    if fused:
        tensors.append(("blk.1.attn_qkv.weight", np.concatenate([fused[n] for n in ("attn_q", "attn_k", "attn_v")]),
                        kinds["attn_qkv"]))
    finish(g, tensors)


def write_vision(spec, tower, projector, width, folder, rng):
    c, old, run = tower.config, not spec.siglip, tower.config.num_hidden_layers - 1
    g = gguf.GGUFWriter(folder / "mmproj.gguf", "clip")
    g.add_bool("clip.has_vision_encoder", True)
    g.add_string("clip.projector_type", "mlp")
    if old:
        g.add_bool("clip.has_text_encoder", False)
        g.add_bool("clip.has_llava_projector", True)
    else:
        g.add_array("clip.vision.feature_layer", [run])
    for key, value in {"image_size": c.image_size, "patch_size": c.patch_size, "embedding_length": c.hidden_size,
                       "feed_forward_length": c.intermediate_size, "attention.head_count": c.num_attention_heads,
                       "block_count": run, "projection_dim": width}.items():
        g.add_uint32(f"clip.vision.{key}", value)
    g.add_float32("clip.vision.attention.layer_norm_epsilon", c.layer_norm_eps)
    mean_std = spec.processor()
    g.add_array("clip.vision.image_mean", [float(x) for x in mean_std.image_mean])
    g.add_array("clip.vision.image_std", [float(x) for x in mean_std.image_std])
    g.add_bool("clip.use_gelu", False)
    tensors = []

    def add(name, p, kind):
        kind = "F32" if p.dim() == 1 else kind
        raw, back = encode(p.data.numpy(), kind, rng)
        p.data = torch.tensor(back)
        tensors.append((name, raw, kind))

    for name, p in tower.named_parameters():
        part, _, ending = name.rpartition(".")
        if name == "embeddings.class_embedding":
            add("v.class_embd", p, "F32")
            continue
        if part.startswith(("post_layernorm", "head")):
            continue
        layer = int(part.split(".")[2]) if part.startswith("encoder.layers.") else None
        if layer is not None and layer >= run:
            continue
        short = VISION_NAMES[part.split(".", 3)[3] if layer is not None else part]
        if old and short.startswith("ffn_"):
            short = "ffn_up" if short == "ffn_down" else "ffn_down"
        block = f"blk.{layer}." if layer is not None else ""
        add(f"v.{block}{short}.{ending}", p, "Q8_0" if not old and short.startswith("attn") else "F16")
    for number, layer in ((0, projector.linear_1), (2, projector.linear_2)):
        for ending, p in layer.named_parameters():
            add(f"mm.{number}.{ending}", p, "F16" if old else "Q8_0")
    finish(g, tensors)


def original_name(name):
    for prefix, other in {"model.language_model.": "model.",
                          "model.vision_tower.": "model.vision_tower.vision_tower.vision_model.",
                          "model.multi_modal_projector.linear_1.": "model.mm_projector.0.",
                          "model.multi_modal_projector.linear_2.": "model.mm_projector.2."}.items():
        if name.startswith(prefix):
            return other + name.removeprefix(prefix)
    return name


def checksums(spec, model):
    last = f"encoder.layers.{spec.vision_numbers()['num_hidden_layers'] - 1}."
    return {original_name(name): zlib.crc32(p.data.numpy().tobytes()) for name, p in model.named_parameters()
            if last not in name and "post_layernorm" not in name and "vision_tower.head" not in name}


def write(spec, model, folder, seed):
    rng = np.random.default_rng(seed)
    text, head = (model.model.language_model if spec.vision is not None else model.model), model.lm_head.weight
    write_language(spec, text, head, folder, rng)
    if spec.vision is not None:
        write_vision(spec, model.model.vision_tower, model.model.multi_modal_projector, text.config.hidden_size, folder,
                     rng)
    (folder / "golden_weights.json").write_text(json.dumps(checksums(spec, model), indent=0) + "\n")
