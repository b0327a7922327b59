# SPDX-License-Identifier: Apache-2.0
"""The small random models of goldens.py: their configurations, weights and layouts.

hf        a folder of LlavaForConditionalGeneration, or with `canvases` of LlavaNextForConditionalGeneration, with the
          names of transformers 4 (language_model.model.…)
hf_new    the same with the names of transformers 5 (model.language_model.…)
original  haotian-liu/LLaVA's layout: mm_… keys and names; the tower has its own folder or (inside) is in the model's
text      a language model only
gguf      a language model and an mmproj in GGUF files (gguf_models.py), opened as the original layout
"""
import json
from dataclasses import dataclass, field

import numpy as np
import torch
import transformers
from PIL import Image
from safetensors.torch import save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from transformers.models.llava_next.image_processing_pil_llava_next import LlavaNextImageProcessorPil
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import gguf_models
import tiny_tokenizer
import vicuna_template
from golden_projectors import make_projector
from golden_tokenizers import write_tokenizer

TEMPLATE = tiny_tokenizer.SYSTEM + " USER: {} ASSISTANT:"
LONG = " ".join(tiny_tokenizer.ENGLISH.split("\n")[:9]) + " What follows from all this?"
CASES = {
    "one": {"pictures": ["wide"], "question": "<image>\nWhat is in the picture?"},
    "two": {"pictures": ["square", "tall"], "question": "<image>\n<image>\nCompare these pictures."},
    "middle": {"pictures": ["tall"], "question": "Look at <image> and say what you see."},
    "text": {"pictures": [], "question": "How are you today?"},
    "long": {"pictures": [], "question": LONG},
}
DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}


class SquaredSiglip(SiglipImageProcessorPil):
    """LLaVA-NeXT's `pad` with a SigLIP tower: pads to a square with the mean colour, then runs SigLIP's processor."""

    def __call__(self, images, **more):
        side = max(images.size)
        square = Image.new("RGB", (side, side), tuple(int(m * 255) for m in self.image_mean))
        square.paste(images, ((side - images.width) // 2, (side - images.height) // 2))
        return super().__call__(images=square, **more)


SquaredSiglip.__name__ = "SiglipImageProcessorPil"  # the name in a tower's preprocessor_config.json

@dataclass
class Spec:
    """One model. The fields state how it differs from LLaVA-1.5."""

    name: str
    layout: str = "hf"
    storage: str = "f16"
    shards: int = 1
    vision: dict | None = field(default_factory=dict)
    text: dict = field(default_factory=dict)
    text_type: str = "llama"
    shape: str = "pad"  # pad, crop, stretch
    layer: int = -2
    select: str = "default"
    projector: str = "mlp2x_gelu"
    projector_bias: bool = True
    inside: bool = False
    tower: str = ""  # siglip: a SigLIP tower for every shape; without it, only for stretch
    canvases: list = field(default_factory=list)  # of any resolution: width and height of each
    feature: str = ""  # mm_vision_select_feature of several layers
    scales: list = field(default_factory=list)  # of S2, the sides at which the tower sees an image
    words: str = ""  # the tokenizer; empty: that of text_type
    rows: int = 0  # of the embedding table, beyond the tokens
    keys: dict = field(default_factory=dict)  # of the original layout's config.json, beside the usual ones
    template: str = TEMPLATE
    cases: tuple = tuple(CASES)

    @property
    def siglip(self):
        return self.shape == "stretch" or self.tower == "siglip"

    @property
    def image_token(self):
        return -200 if self.layout in ("original", "gguf") else self.image_id

    @property
    def layers(self):
        """The hidden states whose features the projector reads, side by side."""
        states = self.vision_numbers()["num_hidden_layers"] + 1
        if self.feature.startswith("slicefour"):
            return list(range(states // 4 + self.layer, states, states // 4))
        if self.feature:
            return [-2, -5, -8, -11, 6]
        return self.layer

    @property
    def feature_width(self):
        selected = len(self.layers) if isinstance(self.layers, list) else 1
        return self.vision_numbers()["hidden_size"] * selected * max(1, len(self.scales))

    @property
    def pinpoints(self):
        """The canvases as transformers reads them."""
        return [[height, width] for width, height in self.canvases]

    def processor(self):
        """Returns the processor that prepares the images. In an original folder it is not the tower's own."""
        side = self.vision_numbers()["image_size"]
        if self.canvases:
            return LlavaNextImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side},
                                              image_grid_pinpoints=self.pinpoints)
        return self.tower_processor(self.scales[-1] if self.scales else side)

    def tower_processor(self, side=0):
        side = side or self.vision_numbers()["image_size"]
        if self.siglip:
            kind = SquaredSiglip if self.shape == "pad" else SiglipImageProcessorPil
            return kind(size={"height": side, "width": side})
        kind = LlavaImageProcessorPil if self.shape == "pad" else CLIPImageProcessorPil
        return kind(size={"shortest_edge": side}, crop_size={"height": side, "width": side},
                    **({"do_pad": True} if self.shape == "pad" else {}))

    def vision_numbers(self):
        return {"hidden_size": 32, "intermediate_size": 72, "num_hidden_layers": 3, "num_attention_heads": 4,
                "image_size": 42, "patch_size": 14} | self.vision

    def text_numbers(self, vocab):
        if self.text_type == "mpt":
            return {"d_model": 12, "n_layers": 2, "n_heads": 3, "max_seq_len": 1024, "vocab_size": vocab,
                    "eos_token_id": 0} | self.text
        return {"hidden_size": 48, "intermediate_size": 104, "num_hidden_layers": 2, "num_attention_heads": 4,
                "num_key_value_heads": 4, "vocab_size": vocab, "max_position_embeddings": 1024, "rms_norm_eps": 1e-5,
                "bos_token_id": 1, "eos_token_id": 2, "tie_word_embeddings": False} | self.text


SMALL = {"vision": {"hidden_size": 24, "intermediate_size": 48, "num_attention_heads": 2, "image_size": 28,
                    "patch_size": 7},
         "text": {"intermediate_size": 64, "num_key_value_heads": 2},
         "canvases": [[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]}
TINY_VISION = {"hidden_size": 8, "intermediate_size": 12, "num_attention_heads": 2, "image_size": 28, "patch_size": 7}
SMALLEST = {"vision": TINY_VISION, "canvases": SMALL["canvases"],
            "text": {"hidden_size": 16, "intermediate_size": 24, "num_attention_heads": 2, "num_key_value_heads": 1}}
LLAMA3 = ("<|begin_of_text|><|start_header_id|>system<|end_header_id|>\n\nAnswer.<|eot_id|>"
          "<|start_header_id|>user<|end_header_id|>\n\n{}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n")
CHATML = "<|im_start|>system\nAnswer.<|im_end|>\n<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n"
LLAMA3_ROPE = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
               "high_freq_factor": 4.0, "original_max_position_embeddings": 64}
SPECS = [
    Spec("clip_mha"),
    Spec("clip_gqa_crop", storage="bf16", shape="crop", layer=-1, select="full", projector_bias=False,
         text={"num_key_value_heads": 2, "tie_word_embeddings": True,
               "rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}}),
    Spec("clip_llama3_new_names", layout="hf_new", layer=1,
         vision={"image_size": 45, "patch_size": 9, "hidden_size": 40, "num_attention_heads": 2},
         text={"num_key_value_heads": 1, "head_dim": 20, "rope_parameters": LLAMA3_ROPE}),
    Spec("siglip_mistral", storage="f32", shape="stretch", layer=-2, select="full", text_type="mistral",
         vision={"hidden_act": "gelu_pytorch_tanh", "intermediate_size": 70},
         text={"num_key_value_heads": 2, "sliding_window": 24}),
    Spec("siglip_last_layer", storage="bf16", shape="stretch", layer=-1, select="full",
         vision={"image_size": 36, "patch_size": 12}, layout="hf_new"),
    Spec("clip_qwen2", text_type="qwen2", shards=3, shape="crop", layer=2,
         text={"num_key_value_heads": 2, "tie_word_embeddings": True}),
    Spec("next", shape="crop", **SMALL),
    Spec("original_folder", layout="original", storage="bf16"),
    Spec("original_inside", layout="original", projector="mlp3x_gelu", inside=True, shape="crop", select="full",
         text={"num_key_value_heads": 1}),
    Spec("original_linear", layout="original", projector="linear", layer=-3, text_type="mistral",
         text={"sliding_window": None, "num_key_value_heads": 2}),
    Spec("original_identity", layout="original", projector="identity", vision={"hidden_size": 48}, storage="f32",
         shards=2, inside=True),
    Spec("original_siglip", layout="original", storage="bf16", tower="siglip", select="full",
         vision={"image_size": 46, "hidden_act": "gelu_pytorch_tanh"}),
    Spec("original_anyres", layout="original", storage="bf16", inside=True, shape="crop", **SMALL),
    Spec("text_llama", layout="text", vision=None,
         text={"attention_bias": True, "mlp_bias": True, "hidden_size": 56, "num_attention_heads": 7,
               "num_key_value_heads": 1}),
    Spec("text_qwen2", layout="text", vision=None, text_type="qwen2", storage="bf16",
         text={"hidden_size": 40, "num_key_value_heads": 4, "tie_word_embeddings": True}),
    Spec("text_qwen2_window", layout="text", vision=None, text_type="qwen2",
         text={"hidden_size": 40, "num_hidden_layers": 3, "num_key_value_heads": 2, "use_sliding_window": True,
               "sliding_window": 24, "max_window_layers": 1}),
    Spec("original_mpt", layout="original", projector="linear", text_type="mpt",
         vision={"image_size": 14, "patch_size": 7, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2,
                 "num_attention_heads": 2},
         text={"tie_word_embeddings": False}),
    Spec("text_mpt", layout="text", vision=None, text_type="mpt",
         text={"d_model": 16, "n_heads": 4}),
    Spec("clip_layers", text_type="qwen2", shape="crop", layer=[-2, 0, 2], rows=12, cases=("one", "text"),
         vision=TINY_VISION, text=SMALLEST["text"]),
    Spec("original_llama3", layout="original", words="llama3", inside=True, shape="crop", cases=("one", "text"),
         template=LLAMA3, keys={"unfreeze_mm_vision_tower": None, "mm_tunable_parts": "mm_vision_tower,mm_mlp_adapter"},
         **SMALLEST | {"text": SMALLEST["text"] | {"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}}}),
    Spec("original_qwen2", layout="original", text_type="qwen2", inside=True, shape="crop", rows=12,
         cases=("one", "text"), template=CHATML,
         keys={"model_type": "llava", "architectures": ["LlavaQwenForCausalLM"]}, **SMALLEST),
    Spec("original_slices", layout="original", text_type="qwen2", feature="slicefour_patch", inside=True,
         projector="mlp2x_res2x_gelu", cases=("one", "text"), vision=TINY_VISION | {"num_hidden_layers": 7},
         text=SMALLEST["text"] | {"tie_word_embeddings": True}),
    Spec("original_five_layers", layout="original", text_type="qwen2", feature="slice_m25811_f6_cls_patch",
         select="full", inside=True, projector="linear", cases=("one", "text"),
         vision=TINY_VISION | {"num_hidden_layers": 11},
         text=SMALLEST["text"] | {"tie_word_embeddings": True}),
    Spec("original_s2", layout="original", text_type="qwen2", scales=[35, 70, 105], inside=True, projector="pooler",
         cases=("one", "text"), text=SMALLEST["text"] | {"tie_word_embeddings": True},
         vision=TINY_VISION | {"image_size": 35}, keys={"s2": True, "s2_scales": "105,35,70"}),
    Spec("gguf_llama", layout="gguf", cases=("one", "text"),
         vision={"image_size": 28, "patch_size": 7, "intermediate_size": 64},
         text={"hidden_size": 32, "intermediate_size": 256, "num_key_value_heads": 2}),
    Spec("gguf_qwen2", layout="gguf", shape="stretch", select="full", text_type="qwen2", cases=("middle", "text"),
         vision={"image_size": 28, "patch_size": 7, "intermediate_size": 64, "hidden_act": "gelu_pytorch_tanh",
                 "layer_norm_eps": 1e-6},
         text={"hidden_size": 32, "intermediate_size": 64, "num_key_value_heads": 2, "tie_word_embeddings": True,
               "rope_parameters": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 2.0}}),
]

# --- models -----------------------------------------------------------------------------------------------------------


def text_config(spec, vocab):
    kind = {"llama": transformers.LlamaConfig, "mistral": transformers.MistralConfig,
            "qwen2": transformers.Qwen2Config, "mpt": transformers.MptConfig}[spec.text_type]
    return kind(**spec.text_numbers(vocab))


def empty_model(spec, vocab):
    if spec.layout == "text":
        return transformers.AutoModelForCausalLM.from_config(text_config(spec, vocab), attn_implementation="eager")
    vision = (transformers.SiglipVisionConfig if spec.siglip else transformers.CLIPVisionConfig)(
        **spec.vision_numbers())
    config_kind, kind = ((transformers.LlavaNextConfig, transformers.LlavaNextForConditionalGeneration)
                         if spec.canvases else (transformers.LlavaConfig, transformers.LlavaForConditionalGeneration))
    config = config_kind(
        vision_config=vision, text_config=text_config(spec, vocab), image_token_index=spec.image_id,
        vision_feature_layer=spec.layers, vision_feature_select_strategy=spec.select,
        multimodal_projector_bias=spec.projector_bias,
        tie_word_embeddings=spec.text.get("tie_word_embeddings", False),
        **({"image_grid_pinpoints": spec.pinpoints} if spec.canvases else {}))
    config._attn_implementation = "eager"
    model = kind(config)
    if spec.layout == "original":
        model.model.multi_modal_projector = make_projector(spec.projector, spec.feature_width,
                                                           config.text_config.hidden_size)
    return model


def randomise(model, seed):
    """Draws weights of a magnitude with which no activation vanishes or saturates at any stage."""
    generator = torch.Generator().manual_seed(seed)
    for name, p in model.named_parameters():
        noise = torch.randn(p.shape, generator=generator)
        if "norm" in name:
            p.data = (1 if name.endswith("weight") else 0) + 0.1 * noise
        elif p.dim() == 1:
            p.data = 0.1 * noise
        elif "embed" in name:
            p.data = noise if p.dim() == 2 else noise / np.sqrt(p[0].numel())
        else:
            p.data = 1.6 * noise / np.sqrt(p[0].numel())


def file_names(spec, tensors):
    """Renames tensors from transformers' names in memory to the names of the layout."""
    if spec.layout == "text":
        return tensors
    old = {"model.language_model.": "language_model.model.", "model.vision_tower.": "vision_tower.vision_model.",
           "model.multi_modal_projector.": "multi_modal_projector.", "lm_head.": "language_model.lm_head.",
           "model.image_newline": "image_newline"}
    new = {"model.vision_tower.": "model.vision_tower.vision_model."}
    own = "transformer." if spec.text_type == "mpt" else "model."
    original = {"model.language_model.": own,
                "model.vision_tower.": "model.vision_tower.vision_tower.vision_model.",
                "model.multi_modal_projector.layers.":
                    own + ("mm_projector." if spec.projector.startswith("mlp") else "mm_projector/"),
                "model.multi_modal_projector.": own + "mm_projector."}
    out = {}
    for name, tensor in tensors.items():
        for prefix, other in {"hf": old, "hf_new": new, "original": original}[spec.layout].items():
            if name.startswith(prefix):
                name = other + name.removeprefix(prefix)
                break
        out[name.replace("mm_projector/0.", "mm_projector.")] = tensor
    return out


def save_weights(tensors, folder, shards=1):
    tensors = {name: t.contiguous() for name, t in tensors.items()}
    if shards == 1:
        return save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    where = {}
    for i in range(shards):
        file = f"model-{i + 1:05}-of-{shards:05}.safetensors"
        part = {name: t for number, (name, t) in enumerate(sorted(tensors.items())) if number % shards == i}
        save_file(part, folder / file, metadata={"format": "pt"})
        where |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": sum(t.numel() * t.element_size() for t in tensors.values())},
             "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index, indent=1) + "\n")


def original_config(spec, model):
    """Returns config.json as LLaVA's training writes it: the language model's own, with LLaVA's keys."""
    about = model.config.text_config.to_dict() | {
        "model_type": {"llama": "llava", "qwen2": "llava_qwen"}.get(spec.text_type, f"llava_{spec.text_type}"),
        "mm_vision_tower": "tower",
        "mm_hidden_size": spec.feature_width, "mm_projector_type": spec.projector,
        "mm_vision_select_layer": spec.layer,
        "mm_vision_select_feature":
            spec.feature or ("patch" if spec.select == "default" or spec.siglip else "cls_patch"),
        "mm_use_im_start_end": False, "mm_use_im_patch_token": False, "use_mm_proj": True,
        "tokenizer_padding_side": "right", "unfreeze_mm_vision_tower": spec.inside}
    if spec.shape == "pad":
        about["image_aspect_ratio"] = "pad"
    if spec.canvases:
        about |= {"image_aspect_ratio": "anyres", "mm_patch_merge_type": "spatial_unpad",
                  "image_grid_pinpoints": str([tuple(c) for c in spec.canvases])}
    return about | spec.keys


def build(spec, seed, folder):
    """Writes the folder. Returns the model with exactly the stored weights."""
    vocab = write_tokenizer(spec, folder)
    model = empty_model(spec, vocab + spec.rows)
    randomise(model, seed)
    if spec.layout == "gguf":
        gguf_models.write(spec, model, folder, seed)
        return model.eval()
    stored = {}
    for name, p in model.named_parameters():  # without a tied head
        stored[name] = p.data.to(DTYPES[spec.storage])
        p.data = stored[name].float()  # buffers such as RoPE's frequencies are unchanged
    names = file_names(spec, stored)
    if spec.layout == "original":
        (folder / "config.json").write_text(json.dumps(original_config(spec, model), indent=1, default=str) + "\n")
        tower = folder / "tower"
        tower.mkdir()
        model.config.vision_config.save_pretrained(tower)
        spec.tower_processor().save_pretrained(tower)
        if not spec.inside:
            prefix = "model.vision_tower.vision_tower."
            save_weights({n.removeprefix(prefix): t for n, t in names.items() if n.startswith(prefix)}, tower)
            names = {n: t for n, t in names.items() if not n.startswith(prefix)}
    else:
        model.config.save_pretrained(folder)
        if spec.vision is not None:
            spec.processor().save_pretrained(folder)
            vicuna_template.write(folder)
    save_weights(names, folder, spec.shards)
    if spec.layout == "original" and spec.rows:
        model.resize_token_embeddings(vocab)  # as LLaVA's program does when it has loaded a model
    return model.eval()
