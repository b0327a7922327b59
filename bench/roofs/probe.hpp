// SPDX-License-Identifier: Apache-2.0
/// The probe of one instruction set: loops, each with a function that counts its operations. The loops return a value
/// that depends on all of their work, so that the compiler removes none of it.
#pragma once

namespace bench {

struct probe {
  float (*fma)(long rounds);
  double (*fma_flops)(long rounds);
  int (*dot)(long rounds);  // 8-bit integers
  double (*dot_ops)(long rounds);
  int (*dot_16)(long rounds);  // 16-bit integers
  double (*dot_16_ops)(long rounds);
  int (*read)(const char* p, long bytes);
};

}  // namespace bench
