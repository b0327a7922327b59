// SPDX-License-Identifier: Apache-2.0
#include "stages.hpp"

namespace bench {

const std::vector<float>& reference_logits(const llava::image& img, const std::string& prompt) {
  static const std::vector<float> logits = [&] {
    const auto model = llava::open<llava::any, llava::scalar, llava::f32>(LLAVA_EXAMPLES_DIR "/tiny", options());
    auto chat = model.session();
    return llava::value_or_throw(chat.try_logits(prompt, std::span<const llava::image>(&img, 1)));
  }();
  return logits;
}

}  // namespace bench
