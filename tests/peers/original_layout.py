# SPDX-License-Identifier: Apache-2.0
"""Writes the bundled model in the layout of LLaVA's own checkpoints, which LLaVA's programs load:

    original_layout.py MODEL FOLDER      MODEL: examples/tiny

FOLDER's name must contain `llava`. The weights are the same bytes under other names. The tower lies in FOLDER/tower.
LLaVA's programs look for the tower from where they are started, so they are started in FOLDER. Needs no package.
"""
import json
import pathlib
import shutil
import sys

PREFIXES = (("language_model.", ""), ("multi_modal_projector.linear_1.", "model.mm_projector.0."),
            ("multi_modal_projector.linear_2.", "model.mm_projector.2."))
TOWER = "vision_tower."
TEXT_KEYS = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
             "max_position_embeddings", "rms_norm_eps", "bos_token_id", "eos_token_id", "vocab_size", "hidden_act")


def read_tensors(file):
    """Yields (name, type, shape, bytes)."""
    data = file.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    for name, entry in json.loads(data[8:end]).items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            yield name, entry["dtype"], entry["shape"], data[end + first:end + last]


def write_tensors(file, tensors):
    header, at = {"__metadata__": {"format": "pt"}}, 0
    for name, kind, shape, data in tensors:
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(t[3] for t in tensors))


def original_name(name):
    for prefix, instead in PREFIXES:
        if name.startswith(prefix):
            return instead + name.removeprefix(prefix)
    raise SystemExit(f"{name} has no name in the original layout")


def convert(model, folder):
    def write_json(path, values):
        path.write_text(json.dumps(values, indent=1))

    config = json.loads((model / "config.json").read_text())
    tower = folder / "tower"
    tower.mkdir(parents=True, exist_ok=True)
    tensors = list(read_tensors(model / "model.safetensors"))
    write_tensors(tower / "model.safetensors",
                  [(t[0].removeprefix(TOWER), *t[1:]) for t in tensors if t[0].startswith(TOWER)])
    write_tensors(folder / "model.safetensors",
                  [(original_name(t[0]), *t[1:]) for t in tensors if not t[0].startswith(TOWER)])
    write_json(tower / "config.json", config["vision_config"] | {"architectures": ["CLIPVisionModel"]})
    pictures = json.loads((model / "preprocessor_config.json").read_text()) | {
        "image_processor_type": "CLIPImageProcessor"}
    del pictures["do_pad"]
    write_json(tower / "preprocessor_config.json", pictures)
    text = config["text_config"]
    write_json(folder / "config.json", {k: text[k] for k in TEXT_KEYS} | {
        "model_type": "llava", "architectures": ["LlavaLlamaForCausalLM"], "torch_dtype": "float16",
        "tie_word_embeddings": False, "pad_token_id": 0, "mm_vision_tower": "tower", "use_mm_proj": True,
        "mm_hidden_size": config["vision_config"]["hidden_size"], "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": config["vision_feature_layer"], "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False, "mm_use_im_patch_token": False, "image_aspect_ratio": "pad"})
    write_json(folder / "generation_config.json", {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0})
    shutil.copyfile(model / "tokenizer.model", folder / "tokenizer.model")
    write_json(folder / "tokenizer_config.json", {
        "tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
        "eos_token": "</s>", "unk_token": "<unk>", "legacy": True, "model_max_length": text["max_position_embeddings"],
        "clean_up_tokenization_spaces": False})


if __name__ == "__main__":
    convert(*map(pathlib.Path, sys.argv[1:3]))
