// SPDX-License-Identifier: Apache-2.0
// Sampling of the next token: greedy, and by temperature with top_k and top_p.
#include "sample.hpp"

namespace {

const bench::file samples([] {
  for (std::ptrdiff_t rows : {1, 16}) {
    bench::add_for_backends(bench::sample_case{"greedy", rows, 32000, {}});
    bench::add_for_backends(bench::sample_case{"top_k40_top_p0.9", rows, 32000, {0.8f, 0.9f, 40, 0.f}});
    bench::add_for_backends(bench::sample_case{"top_p0.9", rows, 32000, {0.8f, 0.9f, 0, 0.f}});
  }
});

}  // namespace
