// SPDX-License-Identifier: Apache-2.0
// LLaVA-1.5-7B's shapes, 8 of the 32 layers (multiply prefill and decode by about four), on simd in every format.
#include "../formats.hpp"
#include "stages.hpp"

namespace {

const bench::file stages([] {
  bench::formats::each(
      []<class F>() { bench::add_stages<bench::choice<llava::any, llava::simd, F>>(bench::model_shape::llava_7b(8)); });
});

}  // namespace
