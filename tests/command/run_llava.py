# SPDX-License-Identifier: Apache-2.0
"""Runs the `llava` command for the tests."""
import ast
import os
import pathlib
import struct
import subprocess

LLAVA = os.environ.get("LLAVA", "build/release/llava")
TINY = "examples/tiny"
IMAGE, OTHER = f"{TINY}/images/three-shapes.png", f"{TINY}/images/tall.jpg"


def llava(*words):
    return subprocess.run([LLAVA, *words], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300)


def ask(*words):
    return llava("ask", "--model-path", TINY, "--temperature", "0", *words)


def npy(path):
    """Returns shape and values of a .npy file of float32 or int32, read as the format (version 1) specifies."""
    data = pathlib.Path(path).read_bytes()
    assert data[:6] == b"\x93NUMPY" and data[6] == 1
    (length,) = struct.unpack("<H", data[8:10])
    header = ast.literal_eval(data[10:10 + length].decode())
    assert (10 + length) % 64 == 0 and not header["fortran_order"]
    kind = {"<f4": "f", "<i4": "i"}[header["descr"]]
    values = struct.unpack(f"<{(len(data) - 10 - length) // 4}{kind}", data[10 + length:])
    return header["shape"], values
