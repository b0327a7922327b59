#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes weights as GPTQ's and AWQ's own layers save them: tests/data/gptq_awq/FORM/{config.json,model.safetensors}.

    python tests/oracle/gptq_awq_save.py      needs auto-gptq 0.7.1, autoawq 0.2.7, auto-round 0.16, torch >= 2.0,
                                              transformers < 4.39, safetensors; runs on the CPU

The packed tensors are those that the layer's pack() makes of a random matrix. `expected.NAME` is the weight (N, K) that
the same layer multiplies by, computed by its program in f16: it is taken where the layer gives it to torch.matmul, and
of AWQ from dequantize_gemm.
auto-gptq writes GPTQ's first form, which stores zeros minus one; auto-round's layer "auto_round" writes the zeros as
they are, like gptq_v2; autoawq writes AWQ's form gemm. Layers: `plain`, `wide` (one group), `ordered` (activation
order: g_idx is no ascending sequence) and `zeros`, whose zeros differ much; that of gptq_v2 has a zero of 0.
"""
import importlib.util
import json
import sys
import types
from pathlib import Path

import torch
import transformers.pytorch_utils  # noqa: F401
from safetensors.torch import save_file

OUT = Path(__file__).resolve().parent.parent / "data" / "gptq_awq"
K, N, GROUP = 64, 32, 32


def bare(*names):
    """Enters packages without running their __init__, which imports what these layers do not need."""
    for name in names:
        module = types.ModuleType(name)
        module.__path__ = list(importlib.util.find_spec(name).submodule_search_locations)
        sys.modules[name] = module


bare("auto_gptq", "auto_gptq.nn_modules", "auto_gptq.nn_modules.qlinear")
bare("awq", "awq.modules", "awq.modules.linear", "awq.utils")
bare("auto_round", "auto_round_extension", "auto_round_extension.torch")
sys.modules["auto_round.utils"] = types.ModuleType("auto_round.utils")
sys.modules["auto_round.utils"].__path__ = [sys.modules["auto_round"].__path__[0] + "/utils"]
sys.modules["auto_round.utils"].get_packing_device = lambda device: "cpu"
sys.modules["awq.utils.utils"] = types.ModuleType("awq.utils.utils")
sys.modules["awq.utils.utils"].get_best_device = lambda: "cpu"

from auto_gptq.nn_modules.qlinear.qlinear_cuda import QuantLinear as GptqLinear  # noqa: E402
from auto_round_extension.torch.qlinear_torch import QuantLinear as RoundLinear  # noqa: E402
from awq.modules.linear.gemm import WQLinear_GEMM  # noqa: E402
from awq.utils.packing_utils import dequantize_gemm  # noqa: E402


def grid(w, g_idx, groups, bits, sym):
    """Returns scales and zeros (N, groups) of round-to-nearest, zeros between 1 and 2^bits - 1."""
    scales, zeros = torch.zeros(N, groups), torch.zeros(N, groups)
    for g in range(groups):
        part = w[:, g_idx == g]
        low, high = part.min(1).values, part.max(1).values
        if sym:
            scales[:, g] = 2 * torch.maximum(-low, high) / (2**bits - 1)
            zeros[:, g] = 2 ** (bits - 1)
        else:
            scales[:, g] = (high - low) / (2**bits - 1)
            zeros[:, g] = torch.round(-low / scales[:, g]).clamp(1, 2**bits - 1)
    return scales.half().float(), zeros


def nearest(w, scales, zeros, g_idx, bits):
    """Returns the values of the grid nearest to w, so that pack() finds codes between 0 and 2^bits - 1."""
    s, z = scales[:, g_idx], zeros[:, g_idx]
    return s * ((torch.round(w / s) + z).clamp(0, 2**bits - 1) - z)


def weight_of(layer):
    """Returns the weight that a layer multiplies by."""
    seen, matmul = [], torch.matmul
    torch.matmul = lambda x, w: seen.append(w) or matmul(x.float(), w.float())
    try:
        layer(torch.zeros(1, K).half())
    finally:
        torch.matmul = matmul
    return seen[0]


def save(form, how, layers, made_by):
    folder = OUT / form
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_type": "llama", "quantization_config": how}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    tensors = {}
    for name, (layer, weight) in layers.items():
        tensors |= {f"{name}.{k}": v for k, v in layer.state_dict().items()}
        tensors[f"expected.{name}"] = weight.t()
        assert weight.shape == (K, N) and weight.dtype == torch.float16, (weight.shape, weight.dtype)
    tensors["norm.weight"] = torch.arange(8).float()
    save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors", {"made by": made_by})


def matrices(*names):
    """Yields names, each with a matrix, the groups of its columns, and whether it is symmetric."""
    straight = torch.arange(K) // GROUP
    for name in names:
        w = torch.randn(N, K)
        if name == "zeros":
            w += torch.linspace(-2.5, 2.5, N)[:, None]
        groups = {"wide": torch.zeros(K).long(), "ordered": straight[torch.randperm(K)]}.get(name, straight)
        yield name, w, groups, name == "plain"


def gptq(bits):
    layers = {}
    for name, w, g_idx, sym in matrices("ordered", "zeros", *(("plain", "wide") if bits == 4 else ())):
        groups = int(g_idx.max()) + 1
        linear = torch.nn.Linear(K, N, bias=name == "plain")
        scales, zeros = grid(w, g_idx, groups, bits, sym)
        linear.weight.data = nearest(w, scales, zeros, g_idx, bits)
        layer = GptqLinear(bits, K // groups, K, N, linear.bias is not None, weight_dtype=torch.float16)
        layer.pack(linear, scales, zeros.clone(), g_idx.int())
        layer.scales = layer.scales.half()
        layer.bias = layer.bias if layer.bias is None else layer.bias.half()
        layers[name] = layer, weight_of(layer)
        assert (layers[name][1].t().float() - linear.weight.data).abs().max() < 1e-2
    how = {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "desc_act": True, "sym": False,
           "true_sequential": True, "damp_percent": 0.01, "checkpoint_format": "gptq"}
    wide = {"wide": layers.pop("wide")} if bits == 4 else {}
    save(f"gptq_{bits}", how, layers, "auto-gptq 0.7.1")
    if wide:
        save(f"gptq_{bits}_column", how | {"group_size": -1, "desc_act": False}, wide, "auto-gptq 0.7.1")


def gptq_v2(bits):
    layers = {}
    for name, w, g_idx, sym in matrices("zeros"):
        linear = torch.nn.Linear(K, N, bias=False)
        scales, zeros = grid(w, g_idx, K // GROUP, bits, sym)
        zeros[3, 0] = 0  # the second form can store a zero of 0
        linear.weight.data = nearest(w, scales, zeros, g_idx, bits)
        layer = RoundLinear(bits, GROUP, K, N, False)
        layer.device = "cpu"
        (layer.pack_3bits if bits == 3 else layer.pack_248_bits)(linear, scales, zeros, device="cpu")
        layers[name] = layer, weight_of(layer)
        assert (layers[name][1].t().float() - linear.weight.data).abs().max() < 1e-2
    how = {"quant_method": "gptq", "bits": bits, "group_size": GROUP, "desc_act": False, "sym": False,
           "checkpoint_format": "gptq_v2", "pack_dtype": "int32"}
    save(f"gptq_{bits}_v2", how, layers, "auto-round 0.16.1")


def awq():
    layers = {}
    for name, w, g_idx, _ in matrices("plain", "zeros"):
        linear = torch.nn.Linear(K, N, bias=False)
        scales, zeros = grid(w, g_idx, K // GROUP, 4, False)
        linear.weight.data = nearest(w, scales, zeros, g_idx, 4)
        layer = WQLinear_GEMM.from_linear(linear, 4, GROUP, scales=scales.t().contiguous(),
                                          zeros=zeros.t().contiguous())
        layers[name] = layer, dequantize_gemm(layer.qweight, layer.qzeros, layer.scales, 4, GROUP)
        assert (layers[name][1].t().float() - linear.weight.data).abs().max() < 1e-2
    how = {"quant_method": "awq", "bits": 4, "group_size": GROUP, "zero_point": True, "version": "gemm",
           "modules_to_not_convert": ["vision_tower"]}
    save("awq", how, layers, "autoawq 0.2.7.post3")


if __name__ == "__main__":
    torch.manual_seed(7)
    with torch.no_grad():
        for b in (2, 3, 4, 8):
            gptq(b)
            gptq_v2(b)
        awq()
