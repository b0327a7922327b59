#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Builds the benchmarks and runs the standard set: ops at the sizes of LLaVA-1.5-7B, and the stages of a 7B model with 8
# of its 32 layers. Writes to build/bench-results/:
#   ops.json, pipeline.json   Google Benchmark's reports, with the roofs that each program measured
#   table.md                  time and % of the roof, one column per backend
#   roofline.svg              the same as a figure
# Random checkpoints (4.4 GB in 16 bits) are kept in build/bench-models. Run nothing else meanwhile.
#
#   bench/run.sh [--quick] [--threads=N] [--formats=f16,…] [--layers=32]
#
# --quick uses small shapes and takes a second or two. It checks that everything runs; do not quote its figures.
# All other options are passed to the programs.
set -euo pipefail
cd "$(dirname -- "$0")/.."
. cmake/setup.sh

quick=false
options=()
for word; do
  case $word in
    --quick) quick=true ;;
    --threads=* | --formats=* | --layers=*) options+=("$word") ;;
    *) sed -n '10,13s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done

need_to_build
need libbenchmark-dev benchmark/benchmark.h
need libeigen3-dev /usr/include/eigen3/Eigen/Core
install_missing
configure release
build release bench_ops
$quick || build release bench_pipeline

out=build/bench-results
mkdir -p "$out"
# OpenMP threads (oneDNN) sleep between products, so that they leave the cores to the next measurement. OpenBLAS chooses
# its best kernel only if the environment forces none.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export OMP_WAIT_POLICY=passive LLAVA_BENCH_MODELS=${LLAVA_BENCH_MODELS:-build/bench-models}

# bench PROGRAM FILTER SECONDS runs benchmarks. One that fails prints an error message and has no row in the table.
code=0
bench() {
  "build/release/bench/bench_$1" "${options[@]+"${options[@]}"}" --benchmark_filter="$2" --benchmark_min_time="$3" \
    --benchmark_out="$out/$1.json" --benchmark_out_format=json || code=1
}

if $quick; then
  results=("$out/ops.json")
  bench ops 'matmul/f16/(N100x|N1024xK1024/T(1|16)/)|rms_norm/T1/|rope_store_kv/f16/T1/' 0.02
else
  results=("$out/ops.json" "$out/pipeline.json")
  bench ops '.*' 0.3
  bench pipeline '.*' 3
fi
python3 bench/report.py "${results[@]}" --table "$out/table.md" --figure "$out/roofline.svg"
echo "Written: $out/table.md, $out/roofline.svg, ${results[*]}"
[ "$code" -eq 0 ] || echo "A benchmark failed: see its message above." >&2
exit "$code"
