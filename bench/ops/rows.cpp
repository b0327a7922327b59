// SPDX-License-Identifier: Apache-2.0
// Ops that move or add rows, and patchify.
#include "rows.hpp"

namespace {

const bench::file rows([] {
  for (std::ptrdiff_t t : {1, 640}) {
    bench::add_for_backends(bench::embed_case{t, 4096, 32000});
    bench::add_for_backends(bench::add_case<true>{t, 4096});
    bench::add_for_backends(bench::add_case<false>{t, 4096});
  }
  bench::add_for_backends(bench::patchify_case{336, 14});
});

}  // namespace
