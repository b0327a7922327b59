// SPDX-License-Identifier: Apache-2.0
/// Definitions of conversation.hpp.
#pragma once
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/text/conversation.hpp>
#include <llava/text/replaced.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace detail {

LLAVA_INLINE int find_form(std::span<const conversation_form> forms, std::string_view name) {
  for (std::size_t i = 0; i < forms.size(); ++i)
    if (forms[i].name == name) return static_cast<int>(i);
  return -1;
}

LLAVA_INLINE std::string names_of_forms(std::span<const conversation_form> forms) {
  std::string all;
  for (const conversation_form& f : forms) (all += all.empty() ? "" : ", ") += f.name;
  return all;
}

LLAVA_INLINE error unknown_form(std::span<const conversation_form> forms, std::string_view name) {
  result<void> unknown = guarded([&]() -> result<void> {
    return fail(errc::not_found,
                text_of("llava: no conversation template is called '", name, "'; known: ", names_of_forms(forms)));
  });
  return std::move(unknown).error();
}

LLAVA_INLINE result<std::string> try_prompt(const conversation_form& form, std::span<const message> turns) {
  return guarded([&]() -> result<std::string> {
    llava::template_texts texts = form.texts;
    if (!turns.empty() && turns[0].from == role::system) {
      texts.system = turns[0].text;
      turns = turns.subspan(1);
    }
    for (const message& turn : turns)
      if (turn.from != role::user && turn.from != role::assistant)
        return fail(errc::unsupported,
                    text_of("llava: the conversation template ", form.name, " has no turns of the role ",
                            turn.from == role::tool ? "tool" : "system after the first turn"));
    return form.prompt(texts, turns);
  });
}

LLAVA_INLINE std::vector<message> with_image(const conversation_form& form, std::span<const message> turns) {
  std::vector<message> out(turns.begin(), turns.end());
  const std::size_t first = !out.empty() && out[0].from == role::system ? 1 : 0;
  if (out.size() <= first) return out;
  const std::string text = with_replaced(out[first].text, image_marker, "");
  if (form.image_turn) {
    out[first].text = std::string(stripped(text));
    out.insert(out.begin() + static_cast<std::ptrdiff_t>(first),
               {{role::user, "<Image><image></Image>"}, {role::assistant, "Received."}});
  } else {
    out[first].text = "<image>\n" + std::string(stripped(text));
  }
  return out;
}

}  // namespace detail

LLAVA_INLINE std::string_view conversation_of_model(std::string_view model_name) {
  std::string name(model_name);
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c | 0x20);
  constexpr std::string_view rules[][2] = {{"llama-2", llava_llama_2::name},
                                           {"mistral", mistral_instruct::name},
                                           {"v1.6-34b", chatml_direct::name},
                                           {"v1", llava_v1::name},
                                           {"mpt", mpt::name},
                                           {"bakllava", llava_v1::name},  // the choice of BakLLaVA's own program
                                           {"llama3", llava_llama_3::name},
                                           {"llama-3", llava_llama_3::name},
                                           {"qwen", qwen_1_5::name},
                                           {"llava-next-72b", qwen_1_5::name},
                                           {"llava-next-110b", qwen_1_5::name},
                                           {"next-video-34b", mistral_direct::name},
                                           {"next-video-7b-32k", mistral_instruct::name},
                                           {"next-video-7b", vicuna_v1::name}};
  for (const auto& [part, found] : rules)
    if (name.find(part) != std::string::npos) return found;
  return llava_v0::name;
}

LLAVA_END
