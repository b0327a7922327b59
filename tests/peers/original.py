# SPDX-License-Identifier: Apache-2.0
"""Runs a program of llava-torch on a machine without a GPU:

    original.py llava.serve.model_worker ARGUMENTS      with the Python of setup.sh llava_torch

The package is not changed, but its modules see another torch: one whose float16 is float32, because CPUs of torch 1.13
multiply no float16. Nothing is downloaded.
"""
import builtins
import importlib
import os
import sys
import types

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
                  GRADIO_ANALYTICS_ENABLED="False", TOKENIZERS_PARALLELISM="false")

import torch  # noqa: E402


class Float32Torch(types.ModuleType):
    def __getattr__(self, name):
        return torch.float32 if name == "float16" else getattr(torch, name)


SEEN = Float32Torch("torch")


def import_seen(name, *rest, **more):
    module = builtins.__import__(name, *rest, **more)
    return SEEN if module is torch else module


def run(name):
    if name in ("llava.serve.model_worker", "llava.serve.cli"):
        importlib.import_module("llava.model.builder")
    for other, module in list(sys.modules.items()):
        if other.split(".")[0] == "llava" and getattr(module, "torch", None) is torch:
            module.torch = SEEN
    # The program itself, as __main__.
    spec = importlib.util.find_spec(name)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=spec.origin, __builtins__={**vars(builtins), "__import__": import_seen})
    sys.modules["__main__"] = main
    sys.argv = [spec.origin, *sys.argv[2:]]
    exec(spec.loader.get_code(name), main.__dict__)


if __name__ == "__main__":
    run(sys.argv[1])
