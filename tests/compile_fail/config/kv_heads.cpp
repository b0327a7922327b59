// EXPECT: llava: text.heads must be a multiple of text.kv_heads (grouped-query attention)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct mine : llava::llava_1_5_7b {
#ifdef LLAVA_FIXED
  static constexpr auto text = llava::with(llava::llava_1_5_7b::text, [](llava::text_config& c) { c.kv_heads = 8; });
#else
  static constexpr auto text = llava::with(llava::llava_1_5_7b::text, [](llava::text_config& c) { c.kv_heads = 5; });
#endif
};

void use(const llava::image& img) {
  auto model = llava::try_open<mine, llava::scalar, llava::f16>("folder");
  auto chat = model->session();
  chat.settings.max_new_tokens = 5;
  const auto answer = chat.try_ask(img, "question");
  static_cast<void>(answer->text);
}
