# SPDX-License-Identifier: Apache-2.0
"""The projectors of LLaVA's and LLaVA-NeXT's programs that transformers does not have, for golden_models.py."""
import torch


class Residual(torch.nn.Module):
    """SimpleResBlock of LLaVA's program: the norm is in front of the residual too."""

    def __init__(self, hidden):
        super().__init__()
        self.pre_norm = torch.nn.LayerNorm(hidden)
        self.proj = torch.nn.Sequential(torch.nn.Linear(hidden, hidden), torch.nn.GELU(),
                                        torch.nn.Linear(hidden, hidden))

    def forward(self, x):
        x = self.pre_norm(x)
        return x + self.proj(x)


class Projector(torch.nn.Module):
    """The projectors of the original program that transformers does not have."""

    def __init__(self, kind, width, hidden):
        super().__init__()
        depth = {"identity": 0, "linear": 1}.get(kind) if kind in ("identity", "linear") else int(kind[3])
        self.layers = torch.nn.Sequential()
        for i in range(depth):
            if i:
                self.layers.append(torch.nn.GELU())
            self.layers.append(torch.nn.Linear(hidden if i else width, hidden))
        for _ in range(int(kind[9]) if "_res" in kind else 0):
            self.layers.append(Residual(hidden))

    def forward(self, features):
        return self.layers(features)


class Pooler(torch.nn.Module):
    """PoolerProjector of LLaVA-NeXT's program."""

    def __init__(self, width, hidden):
        super().__init__()
        self.conv_pool = torch.nn.Conv2d(width, hidden, kernel_size=2, stride=2)
        self.proj = torch.nn.Sequential(torch.nn.GELU(), torch.nn.Linear(hidden, hidden))

    def forward(self, features):
        side = int(features.shape[1] ** 0.5)
        maps = features.transpose(1, 2).unflatten(2, (side, side))
        return self.proj(self.conv_pool(maps).flatten(2).transpose(1, 2))


def make_projector(kind, width, hidden):
    """Makes the projector of this mm_projector_type, from features of `width` to tokens of `hidden`."""
    return Pooler(width, hidden) if kind == "pooler" else Projector(kind, width, hidden)
