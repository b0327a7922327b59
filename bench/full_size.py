# SPDX-License-Identifier: Apache-2.0
"""Runs checkpoints of full size: writes a folder with the shapes of a published model and random weights, asks one
question about a photograph with `llava ask` in each format, and prints the time of each stage and the peak of memory.

    full_size.py --llava build/release/examples/llava --models FOLDER [--shapes llava-1.5-7b,llava-1.6-mistral-7b]
                 [--dtypes f16,q4_0,nf4] [--image FILE] [--new-tokens 64] [--threads N] [--tower]

Columns: seconds to open the folder, to encode the image, from there to the first token, and to the last; tokens of the
prompt; tokens per second after the first; peak GB of anonymous memory, of mapped files, and of both at one time
(sampled every 20 ms, Linux). "after" is that peak once the folder is open. The files are in the page cache if they fit.

--tower compares the vision tower with transformers on the same weights: the normalised mean square error of the
features in f32, and the seconds of tower and projector, of transformers in f32. It needs PyPI `torch`, `transformers`
and `numpy`. A folder takes 14 GB of disk; one that is complete is used again.
"""
import argparse
import json
import math
import pathlib
import random
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time

TINY = pathlib.Path(__file__).parent.parent / "examples" / "tiny"
VISION = {"model_type": "clip_vision_model", "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5, "hidden_size": 1024,
          "image_size": 336, "intermediate_size": 4096, "num_attention_heads": 16, "num_hidden_layers": 24,
          "patch_size": 14, "projection_dim": 768}
LLAMA = {"model_type": "llama", "hidden_act": "silu", "vocab_size": 32064, "hidden_size": 4096,
         "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32,
         "head_dim": 128, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
         "tie_word_embeddings": False, "bos_token_id": 1, "eos_token_id": 2}
MISTRAL = {**LLAMA, "model_type": "mistral", "intermediate_size": 14336, "num_key_value_heads": 8,
           "max_position_embeddings": 32768, "rope_theta": 1e6, "sliding_window": None}
TYPES = {"F16": "float16", "BF16": "bfloat16"}
GRID = [[336, 672], [672, 336], [672, 672], [1008, 336], [336, 1008]]
SHAPES = {"llava-1.5-7b": ("llava", LLAMA), "llava-1.6-mistral-7b": ("llava_next", MISTRAL)}


def config_of(kind, text, vision=VISION, dtype="F16"):
    """The config.json and preprocessor_config.json of transformers. The ids are those of the bundled tokenizer."""
    side = vision["image_size"]
    config = {"model_type": kind, "image_token_index": 766, "pad_token_id": 767, "projector_hidden_act": "gelu",
              "vision_feature_layer": -2, "vision_feature_select_strategy": "default", "torch_dtype": TYPES[dtype],
              "tie_word_embeddings": False, "text_config": text, "vision_config": vision}
    image = {"image_processor_type": "CLIPImageProcessor", "crop_size": {"height": side, "width": side},
             "size": {"shortest_edge": side}, "do_center_crop": True, "do_convert_rgb": True, "do_normalize": True,
             "do_rescale": True, "do_resize": True, "image_mean": [0.48145466, 0.4578275, 0.40821073],
             "image_std": [0.26862954, 0.26130258, 0.27577711], "resample": 3, "rescale_factor": 1 / 255}
    if kind == "llava_next":
        grid = [[side * extent // 336 for extent in pair] for pair in GRID]
        config["image_grid_pinpoints"] = image["image_grid_pinpoints"] = grid
        image.update(image_processor_type="LlavaNextImageProcessor", do_pad=True)
    return config, image


def tensors_of(kind, text, vision=VISION):
    """Yields the name and shape of every tensor, as transformers names them since version 4."""
    tower, hidden, wide = "vision_tower.vision_model.", vision["hidden_size"], vision["intermediate_size"]
    patches = (vision["image_size"] // vision["patch_size"]) ** 2
    yield tower + "embeddings.class_embedding", (hidden,)
    yield tower + "embeddings.patch_embedding.weight", (hidden, 3, vision["patch_size"], vision["patch_size"])
    yield tower + "embeddings.position_embedding.weight", (patches + 1, hidden)
    norms = ["pre_layrnorm", "post_layernorm"]
    for i in range(vision["num_hidden_layers"]):
        layer = f"encoder.layers.{i}."
        norms += [layer + "layer_norm1", layer + "layer_norm2"]
        for name, shape in {**{f"self_attn.{p}_proj": (hidden, hidden) for p in ("q", "k", "v", "out")},
                            "mlp.fc1": (wide, hidden), "mlp.fc2": (hidden, wide)}.items():
            yield f"{tower}{layer}{name}.weight", shape
            yield f"{tower}{layer}{name}.bias", shape[:1]
    for norm in norms:
        yield f"{tower}{norm}.weight", (hidden,)
        yield f"{tower}{norm}.bias", (hidden,)
    width = text["hidden_size"]
    for name, columns in (("linear_1", hidden), ("linear_2", width)):
        yield f"multi_modal_projector.{name}.weight", (width, columns)
        yield f"multi_modal_projector.{name}.bias", (width,)
    if kind == "llava_next":
        yield "image_newline", (width,)
    model, ffn = "language_model.model.", text["intermediate_size"]
    rows = {"q": text["num_attention_heads"] * text["head_dim"], "k": text["num_key_value_heads"] * text["head_dim"]}
    yield model + "embed_tokens.weight", (text["vocab_size"], width)
    for i in range(text["num_hidden_layers"]):
        layer = f"{model}layers.{i}."
        yield layer + "self_attn.q_proj.weight", (rows["q"], width)
        yield layer + "self_attn.k_proj.weight", (rows["k"], width)
        yield layer + "self_attn.v_proj.weight", (rows["k"], width)
        yield layer + "self_attn.o_proj.weight", (width, rows["q"])
        yield layer + "mlp.gate_proj.weight", (ffn, width)
        yield layer + "mlp.up_proj.weight", (ffn, width)
        yield layer + "mlp.down_proj.weight", (width, ffn)
        yield layer + "input_layernorm.weight", (width,)
        yield layer + "post_attention_layernorm.weight", (width,)
    yield model + "norm.weight", (width,)
    yield "language_model.lm_head.weight", (text["vocab_size"], width)


def random_block(dtype):
    """Random normal values as bytes."""
    rng = random.Random(1)
    values = [rng.gauss(0, 0.02) for _ in range((1 << 20) + 17)]
    if dtype == "F16":
        return struct.pack(f"<{len(values)}e", *values)
    wide, upper = struct.pack(f"<{len(values)}f", *values), bytearray(2 * len(values))
    upper[0::2], upper[1::2] = wide[2::4], wide[3::4]  # the upper half of an f32 is its bf16, rounded towards zero
    return bytes(upper)


def write_weights(path, tensors, dtype="F16"):
    """Writes one safetensors file in F16 or BF16. One block of random values is repeated from another offset for each
    tensor: speed does not depend on the values."""
    header, at = {}, 0
    for name, shape in tensors:
        size = 2 * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": list(shape), "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 64)
    block, offset = memoryview(random_block(dtype)), 0
    one = struct.pack("<e", 1) if dtype == "F16" else struct.pack("<f", 1)[2:]
    with open(path, "wb", buffering=1 << 20) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name, shape in tensors:
            left = 2 * math.prod(shape)
            if len(shape) == 1 and "norm" in name and name.endswith("weight"):
                file.write(one * (left // 2))
                continue
            while left:
                part = block[offset:offset + left]
                file.write(part)
                left -= len(part)
                offset = (offset + len(part)) % len(block)


def write_folder(made, kind, text, vision=VISION, dtype="F16"):
    """Writes a folder of random weights, unless it is there."""
    if (made / "config.json").exists():
        return made
    unfinished = made.with_name(made.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    print(f"writing random weights to {made}", file=sys.stderr)
    for file in ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "generation_config.json"):
        shutil.copy(TINY / file, unfinished / file)
    config, image = config_of(kind, text, vision, dtype)
    (unfinished / "preprocessor_config.json").write_text(json.dumps(image, indent=1))
    write_weights(unfinished / "model.safetensors", list(tensors_of(kind, text, vision)), dtype)
    (unfinished / "config.json").write_text(json.dumps(config, indent=1))
    unfinished.rename(made)
    return made


def memory_of(pid):
    """Returns the anonymous and mapped bytes of a process, or None when it has ended."""
    try:
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    values = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    return [1024 * int(values[k].split()[0]) for k in ("RssAnon", "RssFile")] if "RssAnon" in values else None


def ask(args, folder, dtype):
    command = [args.llava, "ask", "--model-path", folder, "--image-file", args.image, "--query", "What is this?",
               "--dtype", dtype, "--max-new-tokens", str(args.new_tokens), "--temperature", "0", "--json"]
    if args.threads:
        command += ["--threads", str(args.threads)]
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=subprocess.PIPE)
        start, samples = time.monotonic(), []
        while process.poll() is None:
            memory = memory_of(process.pid)
            if memory:
                samples.append((time.monotonic() - start, *memory))
            time.sleep(0.02)
        if process.returncode:
            sys.exit(f"{' '.join(map(str, command))}: {process.stderr.read().decode()[-800:]}")
        out.seek(0)
        answer = json.loads(out.read().splitlines()[-1])
    opened = answer["seconds"]["open"]
    after = [anonymous + mapped for at, anonymous, mapped in samples if at > opened]
    return answer, {"anonymous": max(s[1] for s in samples), "mapped": max(s[2] for s in samples),
                    "both": max(s[1] + s[2] for s in samples), "after": max(after, default=0)}


def compare_tower(args, folder, kind):
    """Prints seconds and error of the image's features beside transformers' in f32 from the same f16 weights."""
    import numpy
    import torch
    import transformers
    from PIL import Image

    if args.threads:
        torch.set_num_threads(args.threads)
    classes = {"llava": transformers.LlavaForConditionalGeneration,
               "llava_next": transformers.LlavaNextForConditionalGeneration}
    config = transformers.AutoConfig.from_pretrained(folder)
    config.text_config.num_hidden_layers = 1  # only the tower runs
    model = classes[kind].from_pretrained(folder, config=config, dtype=torch.float32).eval()
    processor = transformers.AutoImageProcessor.from_pretrained(folder, use_fast=False)
    pixels = processor(Image.open(args.image).convert("RGB"), return_tensors="pt")
    squares = pixels["pixel_values"].reshape(-1, 3, 336, 336)

    def run():
        with torch.no_grad():
            hidden = model.model.vision_tower(squares, output_hidden_states=True).hidden_states[-2]
            return hidden[:, 1:]

    seconds = {"transformers": [], "llava, with opening": []}
    with tempfile.TemporaryDirectory() as scratch:
        out = pathlib.Path(scratch) / "features.npy"
        for _ in range(3):
            start = time.monotonic()
            theirs = run().double().numpy()
            seconds["transformers"].append(time.monotonic() - start)
            start = time.monotonic()
            subprocess.run([str(args.llava), "inspect", "--model-path", str(folder), "--dtype", "f16", "--image",
                            str(args.image), "--stage", "features", "--out", str(out)], check=True)
            seconds["llava, with opening"].append(time.monotonic() - start)
        ours = numpy.load(out).astype(numpy.float64).reshape(theirs.shape)
    error = float(((ours - theirs) ** 2).sum() / (theirs ** 2).sum())
    print(f"tower, {len(squares)} squares, NMSE {error:.1e}; seconds: " + ", ".join(
        f"{who} {statistics.median(s):.2f} ({min(s):.2f} … {max(s):.2f})" for who, s in seconds.items()))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--llava", type=pathlib.Path, required=True)
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--shapes", default=",".join(SHAPES))
    parser.add_argument("--dtypes", default="f16,q4_0,nf4")
    parser.add_argument("--image", type=pathlib.Path, default=TINY / "images" / "tall.jpg")
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--tower", action="store_true")
    args = parser.parse_args()
    print(f"{'model':22}{'dtype':7}{'open':>8}{'encode':>8}{'prefill':>8}{'decode':>8}{'prompt':>8}{'tok/s':>7}"
          f"{'anon GB':>9}{'mapped':>8}{'both':>7}{'after':>7}")
    for name in args.shapes.split(","):
        folder = write_folder(args.models / name, *SHAPES[name])
        for dtype in filter(None, args.dtypes.split(",")):
            a, memory = ask(args, folder, dtype)
            s = a["seconds"]
            rate = (len(a["tokens"]) - 1) / max(1e-9, s["decode"])
            print(f"{name:22}{dtype:7}" + "".join(f"{s[k]:8.2f}" for k in ("open", "prepare", "prefill", "decode"))
                  + f"{a['prompt_tokens']:8}{rate:7.2f}"
                  + "".join(f"{memory[k] / 1e9:{w}.2f}" for k, w in
                            (("anonymous", 9), ("mapped", 8), ("both", 7), ("after", 7))), flush=True)
        if args.tower:
            compare_tower(args, folder, SHAPES[name][0])


if __name__ == "__main__":
    main()
