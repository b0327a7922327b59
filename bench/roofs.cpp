// SPDX-License-Identifier: Apache-2.0
// Prints the roofs of this machine for every instruction set that it supports, with one thread and with all.
//   roofs
#include "roofs.hpp"

#include <cstdio>
#include <llava/base/executor.hpp>

int main() {
  const int all = llava::thread_pool::usable_processors();
  std::printf("%-12s %8s %14s %14s %14s %14s\n", "ISA", "threads", "read GB/s", "f32 GFLOP/s", "int8 GOP/s",
              "int16 GOP/s");
  for (int threads = 1; threads <= all; threads = threads == 1 && all > 1 ? all : all + 1)
    for (const bench::roof_isa& isa : bench::roof_isas()) {
      const bench::roofs r = bench::probe_roofs(threads, isa);
      std::printf("%-12s %8d %14.1f %14.1f %14.1f %14.1f\n", std::string(r.isa).c_str(), threads, r.read_bytes / 1e9,
                  r.fma_flops / 1e9, r.int8_ops / 1e9, r.int16_ops / 1e9);
    }
}
