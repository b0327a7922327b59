// SPDX-License-Identifier: Apache-2.0
/// A chat template, rendered with messages as parts and as text.
#include <llava/text/chat_template.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace llava;
  const auto parsed = chat_template::try_parse(fuzz::text(bytes, size));
  if (!fuzz::succeeded(parsed)) return 0;
  for (const bool as_parts : {true, false}) {
    template_memory memory;
    const auto dict = [&](std::initializer_list<std::pair<const char*, template_value>> items) {
      const template_value v = memory.make(template_type::dict);
      for (const auto& [key, item] : items) v.object->set(key, item);
      return v;
    };
    const auto message = [&](const char* role, const char* text) {
      template_value content = template_text(text);
      if (as_parts)
        content = memory.list(
            {dict({{"type", template_text("image")}}), dict({{"type", template_text("text")}, {"text", content}})});
      if (as_parts) content.type = template_type::content;
      return dict({{"role", template_text(role)}, {"content", content}});
    };
    const template_value variables =
        dict({{"messages", memory.list({message("system", "Be brief."), message("user", " What is \xe6\xbc\xa2?\n"),
                                        message("assistant", "")})},
              {"add_generation_prompt", template_boolean(true)},
              {"bos_token", template_text("<s>")},
              {"n", template_integer(7)},
              {"tools", template_none()}});
    fuzz::succeeded(parsed->try_render(variables, memory));
  }
  return 0;
}
