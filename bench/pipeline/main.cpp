// SPDX-License-Identifier: Apache-2.0
// The stages of a model: encode, prefill, decode, first token, load, end to end without and with load.
//   bench_pipeline [--threads=N] [--formats=f16,…] [--model=FOLDER] [--benchmark_filter=decode.*]
// Without --model, random checkpoints with real shapes are written to ./bench-models or to LLAVA_BENCH_MODELS.
#include "../harness.hpp"

int main(int argc, char** argv) { return bench::main(argc, argv); }
