# SPDX-License-Identifier: Apache-2.0
"""Has the programs of each layout open what the tools of `llava` write, and compares their results.

    python tests/oracle/converted_folders.py LLAVA WORK             transformers 5.23, torch, Pillow 13, safetensors
    python tests/oracle/converted_folders.py LLAVA WORK --program   then: LLaVA's own program, with the packages of
                                                                    original_program.py

LLAVA is the command; WORK is a folder for what is written, kept between the two calls. It writes nothing else: it
prints one line for each comparison, and fails at the first difference.

transformers  llava-hf folders, written as original ones and back: no key is missing or unexpected, and the logits of an
              image and a question are equal bit for bit. Original folders, written as llava-hf: the logits are those of
              golden.safetensors, the ids of tokenizer.json are those of SentencePiece, and the prompts of the chat
              template are LLaVA's. GGUF files, written as llava-hf: no key is missing or unexpected; the logits are
              those of the folder that became GGUF, bit for bit, or, from blocks and with --dtype f32, of the golden.
torch         an extracted projector, read by torch.load(weights_only=True).
--program     the original folders that the first call wrote, of folders and of GGUF files: logits within 1e-4 of
              transformers'. A delta: the tensors that make_delta writes, bit for bit.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDENS = ROOT / "tests" / "data" / "goldens"
TINY = ROOT / "examples" / "tiny"
HF = {"tiny": TINY, "clip_mha": GOLDENS / "clip_mha", "clip_qwen2": GOLDENS / "clip_qwen2", "next": GOLDENS / "next"}
ORIGINAL = ("original_folder", "original_anyres", "original_siglip", "original_llama3", "original_qwen2")
SIGLIP = {n: GOLDENS / n for n in ("siglip_last_layer", "siglip_mistral")}  # the second cannot be GGUF: it has a window
BLOCKS = {"gguf_llama": "one", "gguf_qwen2": "middle"}
QUESTION = "USER: <image>\nWhat is in the picture? ASSISTANT:"


def run(*words):
    subprocess.run([str(w) for w in words], check=True)


def picture(golden="clip_mha", name="wide"):
    return Image.fromarray(load_file(GOLDENS / golden / "golden.safetensors")[f"picture.{name}"].numpy())


def opened(folder):
    """Opens a llava-hf folder in fp32; every key must be there, and no other."""
    import transformers
    is_next = transformers.AutoConfig.from_pretrained(folder).model_type == "llava_next"
    kind = transformers.LlavaNextForConditionalGeneration if is_next else transformers.LlavaForConditionalGeneration
    model, report = kind.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.eval()


def inputs_of(folder, image, text=QUESTION):
    from transformers import AutoProcessor
    processor = AutoProcessor.from_pretrained(folder)
    return processor(images=image, text=text, return_tensors="pt")


@torch.no_grad()
def there_and_back(llava, work):
    for name, folder in {**HF, "siglip_mistral": SIGLIP["siglip_mistral"]}.items():
        there, back = work / f"llava-v1.5-{name}", work / f"{name}-back"
        run(llava, "convert", folder, "--to", "original", "-o", there)
        run(llava, "convert", there, "--to", "llava-hf", "-o", back)
        a, b = opened(folder), opened(back)
        inputs = inputs_of(back, picture())
        if (folder / "processor_config.json").exists():
            own = inputs_of(folder, picture())
            assert all(torch.equal(inputs[k], own[k]) for k in own), name
        logits = a(**inputs).logits[0]
        assert torch.equal(logits, b(**inputs).logits[0]), name
        np.savez(work / f"{name}.npz", ids=inputs["input_ids"][0].numpy(), pixels=inputs["pixel_values"].numpy(),
                 logits=logits.numpy(), image_token=a.config.image_token_id)
        print(f"{name}: transformers' logits are equal after both conversions, {tuple(logits.shape)}")


def check_tokenizer(folder):
    """Compares the written tokenizer.json with SentencePiece itself, in the slow tokenizer of transformers."""
    from transformers import AutoTokenizer
    import sentencepiece
    model = sentencepiece.SentencePieceProcessor(str(folder / "tokenizer.model"))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for text in ("What is in the picture?", "  Two  spaces, dots... and ünï©ode 🦙 ", "a\nb"):
        assert tokenizer.encode(text, add_special_tokens=False) == model.encode(text), text
    assert tokenizer.encode("a<image>b").count(tokenizer.convert_tokens_to_ids("<image>")) == 1
    print(f"{folder.name}: the ids of tokenizer.json are SentencePiece's")


def prompts_of(folder, name):
    """The prompts of the written chat template, and LLaVA's for the same turns."""
    from transformers import AutoProcessor
    processor = AutoProcessor.from_pretrained(folder)
    said = lambda role, *parts: {"role": role, "content": [{"type": "text", "text": p} if p else {"type": "image"}
                                                           for p in parts]}
    turns = [said("user", "", "What is it?"), said("assistant", " A cat. "), said("user", "Why?")]
    system = [said("system", "Be brief.")]
    if name == "original_llama3":
        begin, user, other = "<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\n", *(
            f"<|start_header_id|>{r}<|end_header_id|>\n\n" for r in ("user", "assistant"))
        own = ("You are a helpful language and vision assistant. You are able to understand the visual content that "
               "the user provides, and assist the user with a variety of tasks using natural language.")
        rest = (f"<|eot_id|>{user}<image>\nWhat is it?<|eot_id|>{other}A cat.<|eot_id|>{user}Why?<|eot_id|>{other}")
    else:
        begin, user, other = (f"<|im_start|>{r}\n" for r in ("system", "user", "assistant"))
        own = "You are a helpful assistant."
        rest = (f"<|im_end|>\n{user}<image>\nWhat is it?<|im_end|>\n{other} A cat. <|im_end|>\n{user}Why?<|im_end|>\n"
                f"{other}")
    for more, text in (([], own), (system, "Be brief.")):
        yield processor.apply_chat_template(more + turns, add_generation_prompt=True), begin + text + rest


@torch.no_grad()
def check_golden(name, case, to, pixels=None):
    """Compares the logits of a written folder with the golden's. Pillow's releases differ in some bytes, so `pixels`
    or those of the golden replace this release's."""
    model, golden = opened(to), load_file(GOLDENS / name / "golden.safetensors")
    (about,) = [c for c in json.loads((GOLDENS / name / "golden.json").read_text())["cases"] if c["name"] == case]
    inputs = inputs_of(to, picture(name, about["pictures"][0]), about["prompt"])
    if pixels is not None or f"{case}.pixel_values" in golden:
        inputs["pixel_values"] = golden[f"{case}.pixel_values"] if pixels is None else pixels
    # LLaVA's program reads the texts before and after <image> by themselves: its ids replace the processor's.
    image, count = model.config.image_token_id, int((inputs["input_ids"] == model.config.image_token_id).sum())
    ids = [[i] if i != -200 else [image] * count for i in golden[f"{case}.input_ids"].tolist()]
    own, inputs["input_ids"] = inputs["input_ids"], torch.tensor([sum(ids, [])])
    if not (to / "tokenizer.model").exists():  # those of bytes are the same
        assert torch.equal(own, inputs["input_ids"]), (own, inputs["input_ids"])
    inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
    logits, expected = model(**inputs).logits[0], golden[f"{case}.logits"]
    logits = logits[-len(expected):, :expected.shape[1]]
    error = float((logits - expected).abs().max() / expected.abs().max())
    print(f"{to.name}: transformers' logits against the golden: {error:.1e} of the largest")
    assert error < 1e-4, error


def from_original(llava, work):
    for name in ORIGINAL:
        to = work / f"{name}-hf"
        run(llava, "convert", GOLDENS / name, "--to", "llava-hf", "-o", to)
        if (to / "tokenizer.model").exists():
            check_tokenizer(to)
        check_golden(name, "one", to)
        if name in ("original_llama3", "original_qwen2"):
            for made, expected in prompts_of(to, name):
                assert made == expected, (made, expected)
            print(f"{to.name}: transformers' prompts by the chat template are LLaVA's")


@torch.no_grad()
def from_gguf(llava, work):
    """Folders that became GGUF files, and GGUF files of blocks, written as llava-hf."""
    others = {n: GOLDENS / n for n in ("siglip_last_layer", "clip_llama3_new_names")}
    sources = {**HF, **others, **{n: work / f"{n}-hf" for n in ORIGINAL}}
    for name, folder in sources.items():
        between, to = work / f"{name}-gguf", work / f"{name}-of-gguf"
        run(llava, "convert", GOLDENS / name if name in ORIGINAL else folder, "--to", "gguf", "-o", between)
        run(llava, "convert", between, "--to", "llava-hf", "-o", to)
        image = picture(name if (GOLDENS / name).exists() else "clip_mha")
        a, b, inputs = opened(folder), opened(to), inputs_of(to, image)
        if (folder / "processor_config.json").exists():
            own = inputs_of(folder, image)
            assert all(torch.equal(inputs[k], own[k]) for k in own), name
        logits = a(**inputs).logits[0]
        assert torch.equal(logits, b(**inputs).logits[0]), name
        print(f"{name}: transformers' logits are equal after GGUF, {tuple(logits.shape)}, and no key is missing")
    for name in HF:
        run(llava, "convert", work / f"{name}-gguf", "--to", "original", "-o", work / f"llava-v1.5-{name}-of-gguf")
    # Frequencies that no scaling of Meta's makes become longrope: the same logits, but for a rounding of each divisor.
    odd, name = work / "odd-llama3", "clip_llama3_new_names"
    shutil.copytree(GOLDENS / name, odd, ignore=shutil.ignore_patterns("golden*"))
    config = json.loads((odd / "config.json").read_text())
    config["text_config"]["rope_parameters"]["high_freq_factor"] = 3.0
    (odd / "config.json").write_text(json.dumps(config))
    run(llava, "convert", odd, "--to", "gguf", "-o", work / "odd-gguf")
    run(llava, "convert", work / "odd-gguf", "--to", "llava-hf", "-o", work / "odd-of-gguf")
    inputs = inputs_of(work / "odd-of-gguf", picture(name))
    a, b = (opened(f)(**inputs).logits[0] for f in (odd, work / "odd-of-gguf"))
    error = float((a - b).abs().max() / a.abs().max())
    print(f"odd-llama3: transformers' logits after GGUF, as longrope: {error:.1e} of the largest")
    assert error < 1e-5, error
    for name, case in BLOCKS.items():
        to = work / f"{name}-hf"
        run(llava, "convert", GOLDENS / name, "--to", "llava-hf", "--dtype", "f32", "-o", to)
        picture(name, {"one": "wide", "middle": "tall"}[case]).save(work / "picture.png")
        run(llava, "inspect", GOLDENS / name, "--image", work / "picture.png", "--stage", "pixels", "--out",
            work / f"{name}.npy")
        check_golden(name, case, to, torch.tensor(np.load(work / f"{name}.npy")))


def projectors(llava, work):
    for name, folder in (("clip_mha", HF["clip_mha"]), ("original_folder", GOLDENS / "original_folder")):
        file = work / f"{name}.bin"
        run(llava, "extract-projector", folder, "-o", file)
        read = torch.load(file, weights_only=True)
        stored = load_file(folder / "model.safetensors")
        hf = {"model.mm_projector.0": "multi_modal_projector.linear_1",
              "model.mm_projector.2": "multi_modal_projector.linear_2"}
        assert len(read) == 4
        for key, tensor in read.items():
            layer, part = key.rsplit(".", 1)
            original = stored[key] if key in stored else stored[f"{hf[layer]}.{part}"]
            assert tensor.dtype == original.dtype and torch.equal(tensor, original), key
        print(f"{name}: torch.load(weights_only=True) reads {', '.join(read)}")


@torch.no_grad()
def by_program(llava, work):
    from original_program import hold_on_cpu
    from llava.mm_utils import get_model_name_from_path
    from llava.model.builder import load_pretrained_model
    hold_on_cpu()
    # LLaVA-NeXT's program has the class of clip_qwen2, and takes no folder for SigLIP.
    for name, of in ((n, of) for n in HF if n != "clip_qwen2" for of in ("", "-of-gguf")):
        folder, saved = work / f"llava-v1.5-{name}{of}", np.load(work / f"{name}.npz")
        os.chdir(folder)
        tokenizer, model, _, _ = load_pretrained_model(str(folder), None, get_model_name_from_path(str(folder)),
                                                       device_map="cpu", device="cpu")
        model = model.float().eval()
        ids, image_token = saved["ids"].tolist(), int(saved["image_token"])
        collapsed = [-200 if i == image_token else i for at, i in enumerate(ids)
                     if i != image_token or ids[at - 1] != image_token]
        pixels = torch.tensor(saved["pixels"])
        logits = model(input_ids=torch.tensor([collapsed]), images=pixels, image_sizes=[picture().size]).logits[0]
        expected = torch.tensor(saved["logits"])[:, :logits.shape[1]]
        assert logits.shape[0] == expected.shape[0], (logits.shape, expected.shape)
        error = float((logits - expected).abs().max() / expected.abs().max())
        print(f"{name}{of}: LLaVA's program against transformers: {error:.1e} of the largest logit, "
              f"{tuple(logits.shape)}")
        assert error < 1e-4, error


def delta_by_program(llava, work):
    """A model of delta_weights.py: the program's make_delta, and ours."""
    from llava.model.make_delta import make_delta
    data = GOLDENS.parent / "torch"
    base, target, ours, theirs = work / "base", work / "llava-target", work / "our-delta", work / "their-delta"
    for folder in (base, target, theirs, ours):
        shutil.rmtree(folder, ignore_errors=True)
    import transformers
    from llava.model.language_model.llava_llama import LlavaConfig
    sizes = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1, "num_attention_heads": 2}
    transformers.LlamaConfig(vocab_size=30, **sizes).save_pretrained(base)
    LlavaConfig(vocab_size=33, mm_hidden_size=8, mm_projector_type="linear", mm_vision_select_layer=-2,
                mm_vision_tower=str(GOLDENS / "original_folder" / "tower"), **sizes).save_pretrained(target)
    for folder, stored in ((base, "base"), (target, "target")):
        shutil.copy(data / stored / "model.safetensors", folder)
    for file in ("tokenizer.model", "tokenizer_config.json"):
        shutil.copy(GOLDENS / "original_folder" / file, target)
    make_delta(str(base), str(target), str(theirs), None)
    run(llava, "make-delta", target, "--model-base", base, "-o", ours)
    a, b = load_file(theirs / "model.safetensors"), load_file(ours / "model.safetensors")
    assert a.keys() == b.keys(), a.keys() ^ b.keys()
    for key in a:
        assert a[key].dtype == b[key].dtype and torch.equal(a[key], b[key]), key
    print(f"make-delta: {len(a)} tensors are those of LLaVA's make_delta")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("llava", type=pathlib.Path)
    parser.add_argument("work", type=pathlib.Path)
    parser.add_argument("--program", action="store_true")
    options = parser.parse_args()
    llava, work = options.llava.resolve(), options.work.resolve()
    if options.program:
        delta_by_program(llava, work)
        by_program(llava, work)
    else:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        there_and_back(llava, work)
        from_original(llava, work)
        from_gguf(llava, work)
        projectors(llava, work)
