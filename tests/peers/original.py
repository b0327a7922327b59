# SPDX-License-Identifier: Apache-2.0
"""Runs a program of llava-torch on a machine without a GPU:

    original.py llava.serve.model_worker ARGUMENTS      with the Python of setup.sh llava_torch

The package is not changed, but its modules see another torch: one whose float16 is float32, because torch 1.13
multiplies no float16 on CPUs. Programs without a model skip the package's __init__, which imports torch. Nothing is
downloaded.
"""
import builtins
import importlib.machinery
import importlib.util
import os
import sys
import types

os.environ.update(CUDA_VISIBLE_DEVICES="", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
                  GRADIO_ANALYTICS_ENABLED="False", TOKENIZERS_PARALLELISM="false")

WITH_A_MODEL = ("llava.serve.model_worker",)


class Float32Torch(types.ModuleType):
    """torch as the package sees it."""

    def __getattr__(self, name):
        import torch
        return torch.float32 if name == "float16" else getattr(torch, name)


SEEN = Float32Torch("torch")


def import_seen(name, *rest, **more):
    module = builtins.__import__(name, *rest, **more)
    return SEEN if module is sys.modules.get("torch") else module


def run(name):
    if name in WITH_A_MODEL:
        importlib.import_module("llava.model.builder")
        for other, module in list(sys.modules.items()):
            if other.split(".")[0] == "llava" and getattr(module, "torch", None) is sys.modules["torch"]:
                module.torch = SEEN
    else:
        package = types.ModuleType("llava")
        package.__path__ = importlib.machinery.PathFinder.find_spec("llava").submodule_search_locations
        sys.modules["llava"] = package
    # The program itself, as __main__.
    spec = importlib.util.find_spec(name)
    main = types.ModuleType("__main__")
    main.__dict__.update(__file__=spec.origin, __builtins__={**vars(builtins), "__import__": import_seen})
    sys.modules["__main__"] = main
    sys.argv = [spec.origin, *sys.argv[2:]]
    exec(spec.loader.get_code(name), main.__dict__)


if __name__ == "__main__":
    run(sys.argv[1])
