// SPDX-License-Identifier: Apache-2.0
// LLaVA-1.5-7B's shapes on simd in every format, with 8 of the 32 layers (multiply prefill and decode by about four) or
// --layers. Also policies with the vision tower and the head in 8 bits, and a model with sizes fixed at compile time.
#include "stages.hpp"

namespace {

/// The same model with its sizes in its type, for comparison with sizes read from the folder.
struct fixed : llava::llava_1_5_7b {
  static constexpr auto text = llava::with(llava_1_5_7b::text, [](llava::text_config& c) { c.layers = 8; });
};
struct fixed_q4_0 : bench::choice<fixed, llava::simd, llava::q4_0> {
  static inline const std::string name = "q4_0/simd/fixed_sizes";
};

const bench::file stages([] {
  const auto shape = bench::model_shape::llava_7b(bench::chosen().layers);
  const auto add = [&]<class F>() { bench::add_stages<bench::choice<llava::any, llava::simd, F>>(shape); };
  bench::formats::each(add);
  bench::policies::each(add);
  const bool fits = shape.text.layers == fixed::text.layers;
  bench::list<llava::q4_0>::each([&]<class F>() {
    if (fits) bench::add_stages<fixed_q4_0>(shape);
  });
});

}  // namespace
