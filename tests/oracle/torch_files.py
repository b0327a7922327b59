# SPDX-License-Identifier: Apache-2.0
"""Writes one state dict with torch.save in every form: tests/data/torch/*.bin, and its values: values.safetensors.

    python tests/oracle/torch_files.py          needs torch 2 and safetensors
    python tests/oracle/torch_files.py --older  needs torch 1.13: only the files of the older torch

The tensors are of every type of storage, contiguous and not, empty, without axes, and several in one storage. Types
that the library does not read are there too; it must name them. values.safetensors has each tensor contiguous, in
memory of its own.
"""
import argparse
import collections
import pathlib

import torch

OUT = pathlib.Path(__file__).resolve().parents[1] / "data" / "torch"


def numbers(shape, dtype):
    count = 1
    for n in shape:
        count *= n
    return ((torch.arange(count, dtype=torch.float64) * 7 % 23 - 11) / 4).reshape(shape).to(dtype)


def state_dict(kind=collections.OrderedDict):
    state = kind()
    for name, dtype in (("f32", torch.float32), ("f16", torch.float16), ("bf16", torch.bfloat16),
                        ("f64", torch.float64), ("i64", torch.int64), ("i32", torch.int32), ("i16", torch.int16),
                        ("i8", torch.int8), ("u8", torch.uint8)):
        state[f"{name}.matrix"] = numbers((3, 4), torch.float64).abs().to(dtype)
        state[f"{name}.transposed"] = state[f"{name}.matrix"].t()
    state["bool"] = torch.tensor([True, False, True])
    state["scalar"] = torch.tensor(2.5)
    state["empty"] = torch.zeros(0, 3)
    state["parameter"] = torch.nn.Parameter(numbers((5,), torch.float32))
    state["tied.a"] = numbers((4, 2), torch.float16)
    state["tied.b"] = state["tied.a"]
    large = numbers((4, 5, 6), torch.float32)
    state["view.rows"], state["view.column"], state["view.one"] = large[1:3], large[:, 2, 3], large[3, 4, 5]
    state["view.permuted"], state["view.steps"] = large.permute(2, 0, 1), large[::2, 1::3]
    state["view.flat"] = large.reshape(20, 6)[7]
    state["one.axes"] = numbers((1, 7, 1), torch.bfloat16).transpose(0, 2)
    state["name ünï 名"] = numbers((2,), torch.float32)
    return state


def module_state():
    """The state dict of a module, which has the attribute _metadata, with the tensors above behind its own."""
    state = torch.nn.Linear(2, 2).half().state_dict()
    for tensor in state.values():
        tensor.copy_(numbers(tensor.shape, torch.float16))
    state.update(state_dict())
    return state


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--older", action="store_true")
    OUT.mkdir(exist_ok=True)
    state = module_state()
    if options.parse_args().older:
        torch.save(state, OUT / "zip_torch_1.bin")
        torch.save(state, OUT / "legacy_torch_1.bin", _use_new_zipfile_serialization=False)
        return
    from safetensors.torch import save_file
    save_file({name: t.detach().clone().contiguous() for name, t in state.items()}, OUT / "values.safetensors")
    for protocol in (2, 3, 4, 5):
        torch.save(state, OUT / f"zip_protocol_{protocol}.bin", pickle_protocol=protocol)
    for protocol in (2, 4):
        torch.save(state, OUT / f"legacy_protocol_{protocol}.bin", pickle_protocol=protocol,
                   _use_new_zipfile_serialization=False)
    torch.save(dict(state), OUT / "zip_dict.bin")


if __name__ == "__main__":
    main()
