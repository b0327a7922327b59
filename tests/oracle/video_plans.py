#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/video.txt: which frames LLaVA-NeXT's demo samples, and how its model pools them.

    python tests/oracle/video_plans.py CHECKOUT    needs what next_plans.py needs, and playground/demo/video_demo.py of
                                                   the same checkout

The program's own functions run: load_video on a stand-in for decord's reader, get_2dPool and the merge of videos.

    sample COUNT RATE MOST FORCE seconds times indices…         seconds and times as the time sentence states them
    pooled MODE STRIDE GRID FRAMES NEWLINE tokens value…        the merged numbers of next_plans.py; the newline is 7
    large  MODE STRIDE GRID FRAMES NEWLINE tokens sum           Σ (1 + t % 97) · number of token t

The first line names the versions.
"""
import itertools
import sys
import types
from pathlib import Path

import numpy as np
import torch

from image_plans import OUT
from next_plans import Program, numbers_of_rows

SAMPLES = [(300, 30.0, 32, False), (300, 30.0, 5, False), (300, 30.0, 10, False), (300, 29.97, 8, False),
           (301, 23.976, 16, True), (5, 25.0, 8, True), (5, 25.0, 8, False), (1, 25.0, 1, True), (1, 24.0, 4, False),
           (9000, 59.94, 32, False), (90, 2.5, 64, False), (90, 3.5, 64, False), (90, 0.6, 16, False),
           (17, 1.5, 3, True), (100, 12.5, 7, True), (99991, 30.0, 64, True), (50, 10.0, 1, True), (50, 10.0, 2, True)]
MODES = ("average", "max", "bilinear")
SMALL = itertools.product(MODES, (1, 2, 3), (4, 5), (2,), ("grid", "frame", "one_token", "no_token"))
LARGE = itertools.product(MODES, (2, 4), (16, 24, 27), (3,), ("grid", "frame"))


class Reader:
    """A video of numbered frames."""

    def __init__(self, about, ctx, num_threads):
        self.count, self.rate = about

    def __len__(self):
        return self.count

    def get_avg_fps(self):
        return self.rate

    def get_batch(self, indices):
        return types.SimpleNamespace(asnumpy=lambda: np.array(indices))


def load_demo(checkout):
    decord = types.ModuleType("decord")
    decord.VideoReader, decord.cpu = Reader, lambda number: None
    for name in ("cv2", "openai", "llava.conversation", "llava.model.builder"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["decord"] = decord
    sys.modules["llava.conversation"].conv_templates = sys.modules["llava.conversation"].SeparatorStyle = None
    sys.modules["llava.model.builder"].load_pretrained_model = None
    sys.modules["llava.utils"].disable_torch_init = None
    sys.path.insert(0, str(Path(checkout) / "playground" / "demo"))
    import video_demo
    return video_demo


def pooled(program, mode, stride, grid, frames, newline):
    numbers = numbers_of_rows(frames * grid * grid)
    tower = types.SimpleNamespace(num_patches_per_side=grid, image_size=14 * grid)
    model = program.model
    model.inner = types.SimpleNamespace(image_newline=torch.tensor([7.0]), get_vision_tower=lambda: tower,
                                        embed_tokens=lambda ids: torch.zeros(len(ids), 1))
    model.model = model.inner
    model.config = types.SimpleNamespace(mm_patch_merge_type="spatial_unpad", mm_newline_position=newline,
                                         mm_spatial_pool_mode=mode, add_faster_video=False)
    model.get_2dPool = lambda features: type(model).get_2dPool(model, features, stride)
    spliced = model.prepare_inputs_labels_for_multimodal(
        torch.tensor([[1, -200]]), None, None, None, None, [numbers.reshape(frames, grid * grid, 1, 1)],
        modalities="video", image_sizes=[(5, 5)])[4]
    return spliced[0, 1:, 0].double().numpy()


def main(checkout):
    program = Program(checkout)
    demo = load_demo(checkout)
    lines = [f"# tests/oracle/video_plans.py: LLaVA-NeXT df179663, torch {torch.__version__}, numpy {np.__version__}"]
    for count, rate, most, force in SAMPLES:
        settings = types.SimpleNamespace(for_get_frames_num=most, force_sample=force)
        indices, times, seconds = demo.load_video((count, rate), settings)
        lines.append(f"sample {count} {rate} {most} {int(force)} {seconds:.2f} {times} {' '.join(map(str, indices))}")
    for setting in SMALL:
        values = pooled(program, *setting)
        lines.append(" ".join(["pooled", *map(str, setting), str(len(values)), *(f"{v:.7g}" for v in values)]))
    for setting in LARGE:
        values = pooled(program, *setting)
        weights = 1 + np.arange(len(values)) % 97
        lines.append(" ".join(["large", *map(str, setting), str(len(values)), repr(float((weights * values).sum()))]))
    (OUT / "video.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
