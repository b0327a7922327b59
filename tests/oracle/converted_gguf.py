#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Has gguf and llama.cpp read what `llava convert --to gguf` writes, and compares with the folders and the goldens.

    pip install gguf==0.19.0 numpy sentencepiece llama-cpp-python==0.3.36
    python tests/oracle/converted_gguf.py build/release/llava WORK
    python tests/oracle/converted_gguf.py build/release/llava WORK --llama-cpp

LLAVA is the command; WORK is a folder for what is written. It prints one line for each comparison, and fails at the
first difference.

gguf         every key has the type that llama.cpp requires; every tensor of the folder that belongs to the model is
             there, and no other, with the same bits in the order of llama.cpp; pieces, scores and types are those of
             SentencePiece
             GGUF files written again have the same keys and bits; those of blocks have the values that gguf decodes, as
             f16
llava        an answer about an image, or about text, has the tokens that the folder's answer has
--llama-cpp  the prompt of the golden without an image has the same ids in llama.cpp. With weights written as f32
             (--dtype f32) its last logits are transformers' within 1e-4 of the largest, and so are 64 greedy tokens.
             As stored the logits are within 2e-2, because llama.cpp rounds the operands of 16-bit products to 16 bits.
             Models without a golden (the bundled one; text_llama with yarn and with linear scaling) are compared with
             the ids and the logits of the command on the folder. GGUF files written again give llama.cpp the ids and
             the bits of the logits of the first files. Where blocks became f16, the logits are within 2e-2 of the
             command's on the first files: llama.cpp's own are not, since it rounds the operands of blocks to 8 bits
"""
import argparse
import json
import pathlib
import re
import shutil
import struct
import subprocess

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "tests" / "data" / "goldens"
FOLDERS = {"tiny": ROOT / "examples" / "tiny", **{n: GOLDENS / n for n in (
    "clip_mha", "clip_qwen2", "clip_llama3_new_names", "next", "original_folder", "original_anyres", "original_llama3",
    "original_siglip", "siglip_last_layer", "text_llama", "text_qwen2")}}
TYPES = gguf.GGUFValueType
KEYS = {  # the types that llama.cpp requires, by the ends of keys
    "vocab_size|context_length|embedding_length|block_count|feed_forward_length|head_count(_kv)?|key_length|"
    "value_length|dimension_count|image_size|patch_size|projection_dim|file_type|token_id|image_token_id|"
    "longest_prompt":
        TYPES.UINT32,
    "epsilon|freq_base|factor": TYPES.FLOAT32,
    "has_vision_encoder|use_gelu|add_bos_token|add_eos_token|add_space_prefix": TYPES.BOOL,
    "architecture|name|type|chat_template|ggml.model|ggml.pre|aspect_ratio|projector_type|merge_type|llava.tokenizer":
        TYPES.STRING,
}
ARRAYS = {"tokens": TYPES.STRING, "merges": TYPES.STRING, "scores": TYPES.FLOAT32, "token_type": TYPES.INT32,
          "image_mean": TYPES.FLOAT32, "image_std": TYPES.FLOAT32, "feature_layer": TYPES.INT32,
          "image_grid_pinpoints": TYPES.INT32}
PARTS = {"self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v",
         "self_attn.o_proj": "attn_output", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
         "mlp.down_proj": "ffn_down", "input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm",
         "self_attn.out_proj": "attn_out", "layer_norm1": "ln1", "layer_norm2": "ln2", "mlp.fc1": "ffn_up",
         "mlp.fc2": "ffn_down"}
WHOLE = {"text.embed_tokens": "token_embd", "text.norm": "output_norm", "vision.embeddings.class_embedding":
         "v.class_embd", "vision.embeddings.patch_embedding": "v.patch_embd", "vision.embeddings.position_embedding":
         "v.position_embd", "vision.pre_layrnorm": "v.pre_ln"}


def safetensors_of(file):
    """name -> (type, array of the stored bits)"""
    raw = file.read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    bits = {"F32": np.uint32, "F16": np.uint16, "BF16": np.uint16}
    return {name: (t["dtype"], np.frombuffer(raw[8 + size + t["data_offsets"][0]:8 + size + t["data_offsets"][1]],
                                             bits[t["dtype"]]).reshape(t["shape"]))
            for name, t in json.loads(raw[8:8 + size]).items() if name != "__metadata__" and t["dtype"] in bits}


def tensors_of(folder):
    found = {}
    for file in sorted(folder.glob("*.safetensors")):
        if not file.name.startswith("golden") and file.name != "video.safetensors":
            found.update(safetensors_of(file))
    if (folder / "tower" / "model.safetensors").exists():
        found = {n: t for n, t in found.items() if "vision_tower" not in n}
        found.update({"vision." + n.removeprefix("vision_model."): t
                      for n, t in safetensors_of(folder / "tower" / "model.safetensors").items()})
    return found


def gguf_name(name):
    """The name in GGUF of a tensor of a folder; None: it makes no features."""
    if name.endswith("image_newline"):
        return "v.image_newline"
    if name.endswith("lm_head.weight"):
        return "output.weight"
    for linear, number in (("linear_1", 0), ("linear_2", 2)):
        name = re.sub(rf"^(model\.)?multi_modal_projector\.{linear}\.", f"mm.{number}.", name)
    name = re.sub(r"^model\.mm_projector\.", "mm.", name)
    name = re.sub(r"^(model\.)?vision_tower\.(vision_tower\.)?(vision_model\.)?", "vision.", name)
    name = re.sub(r"^(language_model\.model\.|model\.language_model\.|model\.)", "text.", name)
    if name.startswith("mm."):
        return name
    layer = re.match(r"(text\.layers|vision\.encoder\.layers)\.(\d+)\.(.*)\.(weight|bias)$", name)
    if layer:
        return f"{'blk' if layer[1] == 'text.layers' else 'v.blk'}.{layer[2]}.{PARTS[layer[3]]}.{layer[4]}"
    part, _, ending = name.rpartition(".")
    if name in WHOLE:
        return WHOLE[name]
    return f"{WHOLE[part]}.{ending}" if part in WHOLE else None


def by_neighbours(values, head):
    """Row j + p d / 2 of each head becomes its row 2 j + p."""
    order = np.arange(len(values)).reshape(-1, 2, head // 2).swapaxes(1, 2).reshape(-1)
    return values[order]


def as_f32(kind, bits):
    if kind == "F32":
        return bits.view(np.float32)
    if kind == "F16":
        return bits.view(np.float16).astype(np.float32)
    return (bits.astype(np.uint32) << 16).view(np.float32)


def with_scaling(work):
    """text_llama with other scalings of its rotary embedding."""
    made, yarn = {}, {"original_max_position_embeddings": 32, "attention_factor": 1.25}
    for kind, more in (("yarn", yarn), ("linear", {})):
        made[f"text_llama_{kind}"] = to = work / f"text_llama_{kind}"
        shutil.rmtree(to, ignore_errors=True)
        shutil.copytree(GOLDENS / "text_llama", to, ignore=shutil.ignore_patterns("golden*"))
        config = json.loads((to / "config.json").read_text())
        config["rope_scaling"] = {"rope_type": kind, "factor": 4.0, **more}
        config.pop("rope_parameters", None)
        (to / "config.json").write_text(json.dumps(config))
    return made


def check_keys(reader):
    for key, field in reader.fields.items():
        if key.startswith("GGUF."):
            continue
        last = key.rsplit(".", 1)[1]
        kinds = ARRAYS if field.types[0] == TYPES.ARRAY else KEYS
        expected = ARRAYS.get(last) if kinds is ARRAYS else next(
            t for names, t in KEYS.items() if re.search(rf"({names})$", key))
        assert field.types[-1] == expected, (key, field.types)


def check_tensors(name, folder, readers):
    config = json.loads((folder / "config.json").read_text())
    text = config.get("text_config") or config
    keys = {k: f.contents() for r in readers for k, f in r.fields.items()}
    architecture = readers[0].fields["general.architecture"].contents()
    head = keys[f"{architecture}.attention.key_length"]
    assert keys[f"{architecture}.embedding_length"] == text.get("hidden_size", 4096)
    written = {t.name: t for r in readers for t in r.tensors}
    run, tied = keys.get("clip.vision.block_count", 0), "output.weight" not in written
    for stored, (kind, bits) in tensors_of(folder).items():
        own = gguf_name(stored)
        if own is None or (own.startswith("v.blk.") and int(own.split(".")[2]) >= run) or (
                own == "output.weight" and tied and text.get("tie_word_embeddings")) or (
                own == "v.image_newline" and "clip.vision.image_grid_pinpoints" not in keys):
            continue
        t = written.pop(own)
        if architecture == "llama" and re.match(r"blk\.\d+\.attn_[qk]\.", own):
            bits = by_neighbours(bits, head)
        assert list(reversed(t.shape.tolist())) == list(bits.shape), own
        if t.tensor_type == gguf.GGMLQuantizationType.F32:
            assert np.array_equal(t.data.reshape(bits.shape).view(np.uint32), as_f32(kind, bits).view(np.uint32)), own
        else:
            assert bits.ndim > 1 and t.tensor_type.name == kind, own
            assert np.array_equal(np.frombuffer(t.data.tobytes(), np.uint16).reshape(bits.shape), bits), own
    assert set(written) <= {"rope_freqs.weight"}, set(written)
    print(f"{name}: {sum(len(r.tensors) for r in readers)} tensors have the bits of the folder, and {len(keys)} keys "
          "their types")


def check_pieces(name, folder, reader):
    file = folder / "tokenizer.model"
    if not file.exists():
        return
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(model_file=str(file))
    kind = lambda i: (2 if model.is_unknown(i) else 3 if model.is_control(i) else 5 if model.is_unused(i)
                      else 6 if model.is_byte(i) else 1)
    tokens, scores, types = (reader.fields[f"tokenizer.ggml.{k}"].contents()
                             for k in ("tokens", "scores", "token_type"))
    for i in range(model.get_piece_size()):
        assert tokens[i] == model.id_to_piece(i) and scores[i] == np.float32(model.get_score(i)), i
        assert types[i] == kind(i) or types[i] in (3, 4), (i, types[i])
    assert len(set(tokens)) == len(tokens) == len(scores) == len(types)
    print(f"{name}: {model.get_piece_size()} pieces, scores and types are SentencePiece's")


def check_answer(llava, name, folder, to):
    picture = [] if not (to / "mmproj.gguf").exists() else ["--image-file", FOLDERS["tiny"] / "images" / "tall.jpg"]
    found = [json.loads(subprocess.run(
        [llava, "ask", "--model-path", m, *picture, "--query", "Hello, what  is this? 12", "--temperature", "0",
         "--max-new-tokens", "40", "--json"], check=True, capture_output=True).stdout) for m in (folder, to)]
    assert found[0]["prompt_tokens"] == found[1]["prompt_tokens"] and found[0]["tokens"] == found[1]["tokens"], found
    print(f"{name}: {len(found[0]['tokens'])} tokens of an answer are the folder's")


def our_output(llava, folder, stage, text, work):
    out = work / f"{stage}.npy"
    subprocess.run([llava, "inspect", folder, "--dtype", "f32", "--stage", stage, "--prompt", text, "--out", out],
                   check=True, stdout=subprocess.DEVNULL)
    return np.load(out)[0]


def check_without_golden(llava, name, folder, model, work, most):
    text = "USER: What is in the picture?\nThere are 3 shapes,  two of them green. ASSISTANT: A green circle."
    ids = our_output(llava, folder, "input_ids", text, work).tolist()
    own = model.tokenize(text.encode(), add_bos=ids[0] == model.token_bos(), special=True)
    assert own == ids, (own, ids)
    expected = our_output(llava, folder, "logits", text, work)
    model.eval(ids)
    error = float(np.abs(model.scores[:len(ids), :expected.shape[1]] - expected).max() / np.abs(expected).max())
    print(f"{name}: llama.cpp's ids equal, logits of {len(ids)} positions within {error:.1e} of the largest")
    assert error < most, name


def check_llama_cpp(llava, name, folder, file, work, most, all_tokens):
    import llama_cpp
    f32 = llama_cpp.GGML_TYPE_F32
    model = llama_cpp.Llama(str(file), logits_all=True, n_ctx=1024, n_threads=1, n_threads_batch=1, type_k=f32,
                            type_v=f32, verbose=False)
    if not (folder / "golden.safetensors").exists():
        check_without_golden(llava, name, folder, model, work, most)
        return
    raw = (folder / "golden.safetensors").read_bytes()
    size = struct.unpack("<Q", raw[:8])[0]
    about = json.loads(raw[8:8 + size])

    def golden(key):
        t = about[f"text.{key}"]
        a, b = t["data_offsets"]
        return np.frombuffer(raw[8 + size + a:8 + size + b], np.float32 if t["dtype"] == "F32" else np.int32).reshape(
            t["shape"])

    (case,) = [c for c in json.loads((folder / "golden.json").read_text())["cases"] if c["name"] == "text"]
    ids, expected = golden("input_ids").tolist(), golden("logits")
    own = model.tokenize(case["prompt"].encode(), add_bos=ids[0] == model.token_bos(), special=True)
    model.eval(ids)
    logits = model.scores[len(ids) - len(expected):len(ids), :expected.shape[1]]
    error = float(np.abs(logits - expected).max() / np.abs(expected).max())
    greedy, answer = golden("greedy").tolist(), []
    while len(answer) < len(greedy):
        answer.append(int(model.scores[model.n_tokens - 1, :expected.shape[1]].argmax()))
        model.eval([answer[-1]])
    same = next((i for i, (a, b) in enumerate(zip(answer, greedy)) if a != b), len(greedy))
    print(f"{name}: llama.cpp's ids {'equal' if own == ids else 'differ'}, logits within {error:.1e} of the largest, "
          f"{same} of {len(greedy)} greedy tokens equal")
    assert own == ids, (own, ids)
    assert error < most and (same == len(greedy) or not all_tokens), name


def llama_cpp_logits(file, ids=None):
    import llama_cpp
    model = llama_cpp.Llama(str(file), logits_all=True, n_ctx=512, n_threads=1, n_threads_batch=1, verbose=False)
    if ids is None:
        ids = model.tokenize(b"What is in the picture?\nThere are 3 shapes,  two of them green.", special=True)
    model.eval(ids)
    return ids, np.array(model.scores[:len(ids)])


def check_again_in_llama_cpp(llava, name, files, to, work, exact):
    ids, expected = llama_cpp_logits(files / "model.gguf")
    if not exact:
        text = "There are 3 shapes,  two of them green."
        ids = our_output(llava, files, "input_ids", text, work).tolist()
        expected = our_output(llava, files, "logits", text, work)
    logits = llama_cpp_logits(to / "model.gguf", ids)[1][:, :expected.shape[1]]
    error = float(np.abs(logits - expected).max() / np.abs(expected).max())
    print(f"{name}: written again, llama.cpp's logits of {len(ids)} positions within {error:.1e} of the "
          f"{'first files' if exact else 'values of the blocks'}")
    assert error <= (0 if exact else 2e-2), name
    assert llama_cpp_logits(files / "model.gguf")[0] == llama_cpp_logits(to / "model.gguf")[0], name


def check_again(llava, name, files, work, with_llama_cpp):
    """GGUF files, written again: the same keys but for the type; the same bits, or the values of the blocks as f16."""
    to = work / f"{name}-again"
    shutil.rmtree(to, ignore_errors=True)
    subprocess.run([llava, "convert", files, "--to", "gguf", "-o", to], check=True)
    decoded = 0
    for file in ("model.gguf", "mmproj.gguf"):
        if not (files / file).exists():
            continue
        old, new = gguf.GGUFReader(files / file), gguf.GGUFReader(to / file)
        check_keys(new)
        blocks = any(t.tensor_type.name not in ("F32", "F16", "BF16") for t in old.tensors)
        for key, field in old.fields.items():
            kept = key.startswith(("general.", "tokenizer.", "llava.")) and key not in (
                "general.file_type", "general.quantization_version", "general.alignment")
            if file == "model.gguf" and kept:
                assert new.fields[key].types == field.types and new.fields[key].contents() == field.contents(), key
        written = {t.name: t for t in new.tensors}
        other = {"ffn_up": "ffn_down", "ffn_down": "ffn_up"}  # older converters of towers exchanged them
        swapped = file == "mmproj.gguf" and "clip.has_llava_projector" in old.fields
        for t in old.tensors:
            own_name = re.sub("ffn_(up|down)", lambda m: other[m[0]], t.name) if swapped else t.name
            if own_name.endswith("attn_qkv.weight") or own_name not in written:
                continue  # q, k and v by themselves; a constant of another converter
            own = written[own_name]
            assert own.shape.tolist() == t.shape.tolist(), t.name
            if t.tensor_type == own.tensor_type:
                assert np.array_equal(np.asarray(t.data).view(np.uint8), np.asarray(own.data).view(np.uint8)), t.name
                continue
            values, decoded = gguf.quants.dequantize(t.data, t.tensor_type), decoded + 1
            if own.tensor_type.name == "F32":
                assert np.array_equal(own.data.reshape(-1), values.reshape(-1).astype(np.float32)), t.name
            else:
                assert blocks and own.tensor_type.name == "F16", t.name
                assert np.array_equal(own.data.reshape(-1), values.reshape(-1).astype(np.float16)), t.name
    print(f"{name}: written again, {decoded} tensors of blocks have gguf's values as f16, all others the same bits")
    if with_llama_cpp:
        check_again_in_llama_cpp(llava, name, files, to, work, decoded == 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("llava", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--llama-cpp", action="store_true")
    options = parser.parse_args()
    work, llava = options.work.resolve(), options.llava.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for name, folder in {**FOLDERS, **with_scaling(work)}.items():
        to = work / f"{name}-gguf"
        shutil.rmtree(to, ignore_errors=True)
        subprocess.run([llava, "convert", folder, "--to", "gguf", "-o", to], check=True)
        readers = [gguf.GGUFReader(to / f) for f in ("model.gguf", "mmproj.gguf") if (to / f).exists()]
        for reader in readers:
            check_keys(reader)
        check_tensors(name, folder, readers)
        check_pieces(name, folder, readers[0])
        check_answer(llava, name, folder, to)
        check_again(llava, name, to, work, options.llama_cpp)
        if options.llama_cpp:
            check_llama_cpp(llava, f"{name} as stored", folder, to / "model.gguf", work, 2e-2, False)
            wide = work / f"{name}-gguf-f32"
            shutil.rmtree(wide, ignore_errors=True)
            subprocess.run([llava, "convert", folder, "--to", "gguf", "--dtype", "f32", "-o", wide],
                           check=True)
            check_llama_cpp(llava, f"{name} in f32", folder, wide / "model.gguf", work, 1e-4, True)
    for name in ("gguf_llama", "gguf_qwen2"):
        check_again(llava, name, GOLDENS / name, work, options.llama_cpp)
