#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the library's tests and examples and runs them. On a fresh Debian 12 it installs what it needs first.
#
#   tests/run.sh           the release build with g++, without the tests labelled slow
#   tests/run.sh --all     all parts; this takes some hours on two cores
#   tests/run.sh --peers   llava-serve with real clients and servers, which it gets into build/peers (1.3 GB)
#   tests/run.sh PART...   these parts, for example those that failed:
#     release       everything with g++                  tsan     the tests that start threads, under ThreadSanitizer
#     compile_fail  compile errors with every compiler   neon     the unit tests for 64-bit ARM, under emulation
#     budgets       what a translation unit costs        fuzz     the loaders, under libFuzzer
#     benches       the benchmarks, compiled             conan    the Conan package; skipped if pip cannot install Conan
#     clang         everything with clang 19             vcpkg    the vcpkg port
#     cuda          the kernels, compiled by nvcc for four architectures, and their registers; skipped without nvcc
#     sanitize      the unit tests under AddressSanitizer and UndefinedBehaviorSanitizer
#     soak          llava-serve, asked 2,000 mixed requests: memory, descriptors and answers
#
# The last line states the number of tests, and the exit code is 0 if all passed.
set -euo pipefail
all_parts=(release compile_fail budgets benches clang sanitize tsan soak neon fuzz conan vcpkg cuda)
parts=("$@")
selection=()
case ${1:-} in
  '') parts=(release) selection=(-LE slow) ;;
  --all) parts=("${all_parts[@]}") ;;
  --peers) parts=(peers) ;;
esac
for part in "${parts[@]}"; do
  if [[ " ${all_parts[*]} peers " != *" $part "* ]]; then
    sed -n '5,19s/^# \{0,1\}//p' "$0" >&2
    exit 2
  fi
done
cd "$(dirname -- "$0")/.."
. cmake/setup.sh

need_to_build
need pkg-config pkg-config  # the tests use the library through pkg-config too
for part in "${parts[@]}"; do
  case $part in
    compile_fail | clang | fuzz) need clang-19 clang++-19 ;;&
    fuzz | soak) need libboost1.81-dev boost/beast/http/parser.hpp ;;&
    fuzz) need libclang-rt-19-dev /usr/lib/llvm-19/lib/clang/19/include/fuzzer/FuzzedDataProvider.h ;;
    neon)
      need g++-aarch64-linux-gnu aarch64-linux-gnu-g++
      need qemu-user qemu-aarch64
      ;;
    benches) need libbenchmark-dev benchmark/benchmark.h ;;
    peers)
      need libboost1.81-dev boost/beast/http/parser.hpp
      need python3-venv "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))' 2>/dev/null)/ensurepip"
      ;;
    conan)
      # The package is tested with all its options.
      need libgif-dev gif_lib.h
      need libwebp-dev webp/demux.h
      need libtiff-dev tiffio.h
      need libavformat-dev libavformat/avformat.h
      need libswscale-dev libswscale/swscale.h
      need libeigen3-dev /usr/include/eigen3/Eigen/Core
      # Without Conan 2, tests/cmake/conan.py makes a virtual environment for it.
      if ! conan --version 2>/dev/null | grep -q 'version 2'; then
        need python3-venv "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))' 2>/dev/null)/ensurepip"
      fi
      ;;
  esac
done
if [ ${#parts[@]} -gt 1 ]; then
  need ccache ccache
  need libeigen3-dev /usr/include/eigen3/Eigen/Core
  need libboost1.81-dev boost/beast/http/parser.hpp
  need libssl-dev openssl/ssl.h
  need libedit-dev histedit.h
fi
install_missing

total=0
failed=0
report=()

# count NAME RUN FAILED adds to the totals.
count() {
  total=$((total + $2))
  failed=$((failed + $3))
  report+=("$(printf '%-12s %4d of %d passed' "$1" $(($2 - $3)) "$2")")
}

# single NAME COMMAND... runs a check outside ctest, which counts as one test. Exit code 77 means that it is skipped.
single() {
  local code=0
  step "$@" || code=$?
  case $code in
    0) count "$1" 1 0 ;;
    77) report+=("$(printf '%-12s skipped' "$1")") ;;
    *) count "$1" 1 1 ;;
  esac
}

# run_preset PRESET [PREFIX...] configures, builds and tests a preset; PREFIX runs ctest. A failed build counts as one
# failed test.
run_preset() {
  local preset=$1 log line
  shift
  if ! { configure "$preset" && build "$preset"; }; then
    count "$preset" 1 1
    return
  fi
  echo "==> testing build/$preset"
  log=$(mktemp)
  "$@" ctest --preset "$preset" "${selection[@]}" </dev/null 2>&1 | tee "$log" |
    sed '/^ *Start /d; /^Test project/d' || true
  line=$(grep -E 'tests passed, [0-9]+ tests? failed out of [0-9]+' "$log" | tail -n 1) || true
  rm -f "$log"
  if [[ $line =~ passed,\ ([0-9]+)\ tests?\ failed\ out\ of\ ([0-9]+) ]]; then
    count "$preset" "${BASH_REMATCH[2]}" "${BASH_REMATCH[1]}"
  else
    count "$preset" 1 1
  fi
}

for part in "${parts[@]}"; do
  case $part in
    compile_fail) single compile_fail python3 tests/compile_fail/run.py --all ;;
    budgets) single budgets python3 bench/compile/budget.py ;;
    benches)
      if configure release && build release bench_ops && build release benches; then count benches 1 0
      else count benches 1 1; fi
      ;;
    tsan)
      # The ThreadSanitizer of g++ 12 fails with the address space randomisation of newer kernels.
      if setarch "$(uname -m)" -R true 2>/dev/null; then run_preset tsan setarch "$(uname -m)" -R
      else run_preset tsan; fi
      ;;
    fuzz) if configure fuzz && build fuzz; then single fuzz python3 tests/fuzz/run.py; else count fuzz 1 1; fi ;;
    soak)
      if configure release && build release llava_serve_command; then single soak python3 tests/serve/soak.py
      else count soak 1 1; fi
      ;;
    conan) single conan python3 tests/cmake/conan.py ;;
    vcpkg) single vcpkg python3 tests/cmake/vcpkg_port.py ;;
    cuda)
      single nvcc python3 tests/cuda/nvcc.py --all tests/cuda/compiled.cu tests/cuda/compiled_products.cu
      single cublaslt python3 tests/cuda/nvcc.py --needs cublasLt tests/cuda/compiled_cublaslt.cu
      single registers python3 tests/cuda/nvcc.py --budget tests/cuda/registers.txt
      single sass python3 tests/cuda/sass.py
      ;;
    peers)
      if ! { configure release && build release llava_command && build release llava_serve_command; }; then
        count peers 1 1
        continue
      fi
      for peer in openai documents llava_torch llama_server browser; do
        single "$peer" python3 tests/peers/run.py "$peer" build/release/llava-serve
      done
      ;;
    *) run_preset "$part" ;;
  esac
done

echo
printf '%s\n' "${report[@]}"
echo "$((total == 0 ? 0 : 100 * (total - failed) / total))% tests passed, $failed tests failed out of $total"
[ "$failed" -eq 0 ] && [ "$total" -gt 0 ]
