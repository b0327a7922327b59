// SPDX-License-Identifier: Apache-2.0
// A folder that transformers has saved with weights quantised by bitsandbytes (tests/oracle/bitsandbytes_golden.py).
#include "golden.hpp"

namespace {

/// The codes and scales of the file. Everything else is f32.
struct as_stored : llava::weights<llava::nf4> {
  using vision = llava::f32;
  using head = llava::f32;
  using embeddings = llava::f32;
  using kv_cache = llava::f32;
};
/// Checks the prompts whose weights bitsandbytes has rounded to f16, or those whose weights are not rounded.
template <class Weights>
void check(bool are_rounded) {
  llava::open_options options;
  options.threads = 2;
  options.kv_tokens = 2048;
  auto model = llava::pipeline<llava::any, llava::simd, Weights>::try_open(golden::folder("bitsandbytes_nf4"), options);
  if (!model) FAIL(model.error().what());
  const golden::record expected("bitsandbytes_nf4");
  int checked = 0;
  for (const llava::json_value& about : expected.cases())
    if ((about.find("name")->text()->find("_f32") == std::string::npos) == are_rounded) {
      golden::check_case(*model, expected, about, golden::in_f32);
      ++checked;
    }
  CHECK(checked >= 2);
}

}  // namespace

TEST_CASE("R15: a folder in 4 bits of bitsandbytes matches transformers, as floats and in nf4") {
  check<llava::weights<llava::f32>>(true);
  check<as_stored>(false);
}
