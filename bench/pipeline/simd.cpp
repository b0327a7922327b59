// SPDX-License-Identifier: Apache-2.0
// LLaVA-1.5-7B's shapes, 8 of the 32 layers (multiply prefill and decode by about four), on simd in every format; and the
// policies that put the vision tower and the head into 8 bits too.
#include "../formats.hpp"
#include "stages.hpp"

namespace {

struct all_q8_0 : llava::weights<llava::q8_0> {
  static constexpr std::string_view name = "all_q8_0";
  using vision = llava::q8_0;
  using projector = llava::q8_0;
  using head = llava::q8_0;
};
struct q4_i8_and_q8_0 : llava::weights<llava::q4_i8> {
  static constexpr std::string_view name = "q4_i8+q8_0";
  using vision = llava::q8_0;
  using projector = llava::q8_0;
  using head = llava::q8_0;
};

const bench::file stages([] {
  bench::formats::each(
      []<class F>() { bench::add_stages<bench::choice<llava::any, llava::simd, F>>(bench::model_shape::llava_7b(8)); });
  if (!bench::chosen().formats.empty()) return;
  bench::add_stages<bench::choice<llava::any, llava::simd, all_q8_0>>(bench::model_shape::llava_7b(8));
  bench::add_stages<bench::choice<llava::any, llava::simd, q4_i8_and_q8_0>>(bench::model_shape::llava_7b(8));
});

}  // namespace
