// SPDX-License-Identifier: Apache-2.0
/// What a probe of one instruction set offers: loops whose work can be counted, each with its count. They return a
/// number that depends on all of the work, so that none of it can be left out.
#pragma once

namespace bench {

struct probe {
  float (*fma)(long rounds);
  double (*fma_flops)(long rounds);
  int (*dot)(long rounds);  // of bytes
  double (*dot_ops)(long rounds);
  int (*dot_16)(long rounds);  // of numbers of 16 bits
  double (*dot_16_ops)(long rounds);
  int (*read)(const char* p, long bytes);
};

}  // namespace bench
