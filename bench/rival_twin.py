# SPDX-License-Identifier: Apache-2.0
"""Converts a llava-hf folder (a random one of bench_pipeline) to the two GGUF files that llama.cpp reads, in f16.

    rival_twin.py FOLDER TEXT.gguf VISION.gguf

Every weight is copied. llama.cpp expects the rows of q and k in another order, and a tower of all 24 layers, of which
it runs 23, as we do. The vocabulary is artificial: single bytes, and words that occur in no text, so that a prompt of N
bytes has N tokens. Needs PyPI `gguf` and `numpy`.
"""
import json
import pathlib
import struct
import sys

import gguf
import numpy

TEXT = "language_model.model."
LAYER = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm"}
VISION_LAYER = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
                "self_attn.out_proj": "attn_out", "mlp.fc1": "ffn_up", "mlp.fc2": "ffn_down",
                "layer_norm1": "ln1", "layer_norm2": "ln2"}


class Folder:
    """The tensors of a folder's mapped model.safetensors."""

    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        path = folder / "model.safetensors"
        with open(path, "rb") as file:
            size, = struct.unpack("<Q", file.read(8))
            self.header = json.loads(file.read(size))
        self.data = numpy.memmap(path, mode="r", offset=8 + size)

    def __getitem__(self, name):
        about = self.header[name]
        if about["dtype"] != "F16":
            sys.exit(f"rival_twin: {name} is {about['dtype']}, expected F16; make the folder with --formats=f16")
        begin, end = about["data_offsets"]
        return self.data[begin:end].view(numpy.float16).reshape(about["shape"])

    def names(self, prefix):
        return [n for n in self.header if n.startswith(prefix)]


def for_file(values):
    return values.astype(numpy.float32) if values.ndim == 1 else values


def rotated_rows(w, heads):
    """Interleaves the halves of each head: RoPE pairs rows i and i + head_dim / 2 here, but 2i and 2i + 1 in GGUF."""
    return w.reshape(heads, 2, w.shape[0] // heads // 2, w.shape[1]).swapaxes(1, 2).reshape(w.shape)


def write(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def write_text(folder, path):
    c = folder.config["text_config"]
    out = gguf.GGUFWriter(path, "llama")
    out.add_context_length(c["max_position_embeddings"])
    out.add_embedding_length(c["hidden_size"])
    out.add_block_count(c["num_hidden_layers"])
    out.add_feed_forward_length(c["intermediate_size"])
    out.add_head_count(c["num_attention_heads"])
    out.add_head_count_kv(c["num_key_value_heads"])
    out.add_layer_norm_rms_eps(c["rms_norm_eps"])
    out.add_rope_dimension_count(c["head_dim"])
    out.add_rope_freq_base(c["rope_theta"])
    out.add_vocab_size(c["vocab_size"])
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    kind = gguf.TokenType
    tokens = [("<unk>", kind.UNKNOWN), ("<s>", kind.CONTROL), ("</s>", kind.CONTROL)]
    tokens += [(f"<0x{b:02X}>", kind.BYTE) for b in range(256)]
    tokens += [(f"word{i}word", kind.NORMAL) for i in range(len(tokens), c["vocab_size"])]
    out.add_tokenizer_model("llama")
    out.add_token_list([t.encode() for t, _ in tokens])
    out.add_token_scores([0.0] * len(tokens))
    out.add_token_types([t for _, t in tokens])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)

    out.add_tensor("token_embd.weight", folder[TEXT + "embed_tokens.weight"])
    out.add_tensor("output_norm.weight", for_file(folder[TEXT + "norm.weight"]))
    out.add_tensor("output.weight", folder["language_model.lm_head.weight"])
    for name in folder.names(TEXT + "layers."):
        number, rest = name.removeprefix(TEXT + "layers.").split(".", 1)
        values, what = folder[name], rest.removesuffix(".weight")
        if what in ("self_attn.q_proj", "self_attn.k_proj"):
            values = rotated_rows(values, c["num_attention_heads" if "q_proj" in what else "num_key_value_heads"])
        out.add_tensor(f"blk.{number}.{LAYER[what]}.weight", for_file(values))
    write(out)


def write_vision(folder, path):
    v, prefix = folder.config["vision_config"], "vision_tower.vision_model."
    out = gguf.GGUFWriter(path, "clip")
    out.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    out.add_bool("clip.has_vision_encoder", True)
    out.add_string("clip.projector_type", "mlp")
    out.add_bool("clip.use_gelu", False)  # quick_gelu
    for key, value in (("image_size", v["image_size"]), ("patch_size", v["patch_size"]),
                       ("embedding_length", v["hidden_size"]), ("feed_forward_length", v["intermediate_size"]),
                       ("projection_dim", v["projection_dim"]), ("block_count", v["num_hidden_layers"]),
                       ("attention.head_count", v["num_attention_heads"])):
        out.add_uint32(f"clip.vision.{key}", value)
    out.add_float32("clip.vision.attention.layer_norm_epsilon", v["layer_norm_eps"])
    out.add_array("clip.vision.image_mean", [0.48145466, 0.4578275, 0.40821073])
    out.add_array("clip.vision.image_std", [0.26862954, 0.26130258, 0.27577711])
    out.add_tensor("v.class_embd", for_file(folder[prefix + "embeddings.class_embedding"]))
    out.add_tensor("v.patch_embd.weight", folder[prefix + "embeddings.patch_embedding.weight"])
    out.add_tensor("v.position_embd.weight",
                   folder[prefix + "embeddings.position_embedding.weight"].astype(numpy.float32))
    for part in ("weight", "bias"):
        out.add_tensor(f"v.pre_ln.{part}", for_file(folder[f"{prefix}pre_layrnorm.{part}"]))
        out.add_tensor(f"mm.0.{part}", for_file(folder[f"multi_modal_projector.linear_1.{part}"]))
        out.add_tensor(f"mm.2.{part}", for_file(folder[f"multi_modal_projector.linear_2.{part}"]))
    for name in folder.names(prefix + "encoder.layers."):
        number, rest = name.removeprefix(prefix + "encoder.layers.").split(".", 1)
        what, part = rest.rsplit(".", 1)
        out.add_tensor(f"v.blk.{number}.{VISION_LAYER[what]}.{part}", for_file(folder[name]))
    write(out)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    source = Folder(pathlib.Path(sys.argv[1]))
    write_text(source, sys.argv[2])
    write_vision(source, sys.argv[3])
