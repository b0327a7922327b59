// SPDX-License-Identifier: Apache-2.0
// Every op on every backend.
//   bench_ops [--threads=N] [--formats=f16,…] [--benchmark_filter=matmul/f16/.*]
#include "../harness.hpp"

int main(int argc, char** argv) { return bench::main(argc, argv); }
