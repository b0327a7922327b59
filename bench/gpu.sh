#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds, tests and measures the CUDA backend on a machine with a GPU that may lack everything else: it needs nvcc, a
# C++ compiler and Python, no package and no network. On a machine that has the packages,
#
#   bench/gpu.sh --pack build/gpu        copies the headers that the other may lack: 1 MiB
#
# and there, in the top folder of the project with that build/gpu (or --from FOLDER),
#
#   bench/gpu.sh [--only STEPS] [--skip STEPS] [--limit SECONDS]
#
# runs these steps, each with a time limit, and in less than 8 minutes in all:
#   build        the programs, by nvcc and g++, as many files at a time as there are cores
#   vectors      each function of the device vocabulary, to the bit, beside tests/data/cuda/vectors.txt
#   vocabulary   tests/cuda/vocabulary_*.cpp, samples.cpp
#   ops          tests/ops, the tests of all backends, and what tests/cuda has of products and preprocessing
#   goldens      the golden models in f32, every stage and 64 greedy tokens
#   answers      the bundled model's greedy tokens beside the CPU's, in each format
#   roofs        the rate of reading memory, and of cuBLASLt's products
#   figures      LLaVA-1.5-7B with random weights in bf16, q8_0 and q4_0: encode, prefill, first token, decode
#   rival        PyTorch and transformers on the same shapes, if they are installed
#   sanitizer    memcheck, racecheck and synccheck, if compute-sanitizer is installed
# Without a GPU it builds, and says of the other steps that there is no device. The table, JSON and the vectors that
# the device gave are in $OUT, or build/bench-results/gpu. `bench/gpu.sh --help` names the other options.
set -euo pipefail
cd "$(dirname -- "$0")/.."
exec "${PYTHON:-python3}" bench/gpu/run.py "$@"
