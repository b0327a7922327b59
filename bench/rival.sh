#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compares llava.hpp with llama.cpp on this machine: builds llama.cpp natively in build/rival/ from the source package
# of llama-cpp-python (PyPI), converts the random checkpoint, runs the two alternately and prints for each workload:
#   encode|prefill|decode|end-to-end|with-load FORMAT ours rival RATIOx roof%
# It prints such lines for ik_llama.cpp and OpenVINO GenAI too, if they can be installed.
#
#   bench/rival.sh [--threads=N] [--runs=N] [--formats=f16,…] [--layers=32] [--works=encode,…] [--backend=avx2]
#
# --backend=avx2 limits both programs to AVX2. The language model has 8 of its 32 layers, unless --layers is given.
# The first run compiles for a long time and uses 15 GB of disk (50 GB with all layers). Run nothing else meanwhile.
set -euo pipefail
cd "$(dirname -- "$0")/.."
. cmake/setup.sh

options=()
llama=llama
native=(-DGGML_NATIVE=ON)
for word; do
  case $word in
    --threads=* | --runs=* | --formats=* | --layers=* | --works=*) options+=("$word") ;;
    --backend=avx2)
      options+=("$word")
      llama=llama-avx2
      native=(-DGGML_NATIVE=OFF -DGGML_AVX2=ON -DGGML_FMA=ON -DGGML_F16C=ON -DGGML_BMI2=ON)
      ;;
    *) sed -n '8,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

need_to_build
need libbenchmark-dev benchmark/benchmark.h
install_missing
configure release
build release bench_pipeline

rival=build/rival
mkdir -p "$rival/sdist" build/bench-models
[ -x "$rival/venv/bin/python" ] || step "creating a Python environment" python3 -m venv "$rival/venv"
step "installing its Python packages" "$rival/venv/bin/pip" install -q numpy gguf scikit-build-core
# A fork of llama.cpp that is sometimes faster, and Intel's runtime. Wheels exist for some processors and Pythons only.
for packages in ik-llama-cpp-python 'openvino-genai openvino-tokenizers transformers'; do
  # shellcheck disable=SC2086
  "$rival/venv/bin/pip" install -q --only-binary :all: $packages ||
    echo "${packages%% *} cannot be installed here and is skipped" >&2
done
if ! compgen -G "$rival/sdist/*.tar.gz" >/dev/null; then
  step "downloading the source of llama-cpp-python" "$rival/venv/bin/pip" download -q --no-deps --no-binary :all: \
    --no-build-isolation -d "$rival/sdist" llama-cpp-python
fi
if ! compgen -G "$rival/llama_cpp_python-*/" >/dev/null; then
  tar -xzf "$rival"/sdist/llama_cpp_python-*.tar.gz -C "$rival"
fi
if ! [ -x "$rival/$llama/bin/llama-mtmd-cli" ]; then
  step "configuring llama.cpp" cmake -S "$rival"/llama_cpp_python-*/vendor/llama.cpp -B "$rival/$llama" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release "${native[@]}" -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
    -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=OFF -DLLAMA_BUILD_UI=OFF
  step "building llama.cpp" cmake --build "$rival/$llama" --target llama-bench llama-mtmd-cli llama-quantize
fi
"$rival/venv/bin/python" bench/rival.py --ours build/release/bench/bench_pipeline --rival "$rival/$llama/bin" \
  --models build/bench-models --image examples/tiny/images/three-shapes.png "${options[@]+"${options[@]}"}"
