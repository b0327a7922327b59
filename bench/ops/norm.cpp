// SPDX-License-Identifier: Apache-2.0
// RMSNorm of the language model, LayerNorm of the vision tower.
#include "norm.hpp"

namespace {

const bench::file norms([] {
  for (std::ptrdiff_t rows : {1, 16, 640}) bench::add_for_backends(bench::norm_case<false>{rows, 4096});
  bench::add_for_backends(bench::norm_case<true>{577, 1024});
});

}  // namespace
