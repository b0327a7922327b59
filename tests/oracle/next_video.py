#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/goldens/next/video.safetensors: a video through transformers' LlavaNextVideo.

    python tests/oracle/next_video.py      needs transformers 4.57 (the slow classes), torch, pillow, safetensors, numpy

The model is the golden "next" as a llava_next_video: the same weights, `<pad>` renamed to `<video>`. The frames are
pictures of that golden, in the order of FRAMES, cropped and resized by transformers' processor of videos. For each mode
of pooling: tokens.MODE, the image tokens (T, D); logits.MODE, of the last position of PROMPT (V). `ids` are the ids of
the prompt, one for each image token. The metadata names the versions.
"""
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors import safe_open
from safetensors.numpy import save_file
from transformers import LlavaNextVideoForConditionalGeneration, PreTrainedTokenizerFast
from transformers.models.llava_next_video.image_processing_llava_next_video import LlavaNextVideoImageProcessor

GOLDEN = Path(__file__).resolve().parent.parent / "data" / "goldens" / "next"
FRAMES = ["wide", "tall", "wide", "square"]
PROMPT = "USER: <video>\nWhat is moving? ASSISTANT:"


def folder_of_video(where, mode):
    """Writes the model's folder as a llava_next_video."""
    for name in ("model.safetensors", "tokenizer_config.json"):
        shutil.copy(GOLDEN / name, where)
    words = (GOLDEN / "tokenizer.json").read_text().replace("<pad>", "<video>")
    (where / "tokenizer.json").write_text(words)
    config = json.loads((GOLDEN / "config.json").read_text())
    config |= {"model_type": "llava_next_video", "video_token_index": 401, "spatial_pool_mode": mode,
               "spatial_pool_stride": 2, "architectures": ["LlavaNextVideoForConditionalGeneration"]}
    (where / "config.json").write_text(json.dumps(config))


def main():
    with safe_open(GOLDEN / "golden.safetensors", "np") as golden:
        names = [n.removeprefix("picture.") for n in golden.keys() if n.startswith("picture.")]
        print("pictures:", names)
        frames = [golden.get_tensor("picture." + name) for name in FRAMES]
    processor = LlavaNextVideoImageProcessor(size={"shortest_edge": 28}, crop_size={"height": 28, "width": 28})
    pixels = [processor(frame, return_tensors="pt")["pixel_values_videos"].reshape(3, 28, 28) for frame in frames]
    pixels = torch.stack(pixels)[None].float()
    results = {}
    for mode in ("average", "max"):
        with tempfile.TemporaryDirectory() as where:
            folder_of_video(Path(where), mode)
            model = LlavaNextVideoForConditionalGeneration.from_pretrained(where, torch_dtype=torch.float32,
                                                                           attn_implementation="eager").eval()
            words = PreTrainedTokenizerFast(tokenizer_file=str(Path(where) / "tokenizer.json"))
        with torch.no_grad():
            tokens = torch.cat(list(model.model.get_video_features(pixels, vision_feature_layer=-2,
                                                                   vision_feature_select_strategy="default")))
            tokens = tokens.reshape(-1, tokens.shape[-1])
            ids = [i for one in words(PROMPT).input_ids for i in ([one] * len(tokens) if one == 401 else [one])]
            logits = model(input_ids=torch.tensor([ids]), pixel_values_videos=pixels,
                           vision_feature_layer=-2).logits[0, -1]
        results |= {f"tokens.{mode}": tokens.numpy(), f"logits.{mode}": logits.numpy(), "ids": np.array(ids, np.int32)}
    versions = f"transformers {transformers.__version__}, torch {torch.__version__}"
    save_file(results, GOLDEN / "video.safetensors", {"made_by": f"tests/oracle/next_video.py: {versions}"})


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
