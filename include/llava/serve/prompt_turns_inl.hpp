// SPDX-License-Identifier: Apache-2.0
/// Definitions of prompt_turns.hpp.
#pragma once
#include <cstddef>
#include <string>
#include <utility>

#include <llava/serve/prompt_turns.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

inline constexpr char any_text = '\1';  // stands for the text of a turn in a prompt that is a pattern

/// What a template writes before, between and behind the texts of a prompt with `users` questions. With a system text,
/// that is the first text.
inline std::vector<std::string> parts_of_template(const conversation_form& form, std::size_t users, bool has_system) {
  const std::string text(1, any_text);
  template_texts texts = form.texts;
  texts.system = has_system ? std::string_view(text) : std::string_view();
  std::vector<message> turns;
  for (std::size_t i = 0; i + 1 < 2 * users; ++i) turns.push_back({i % 2 == 0 ? role::user : role::assistant, text});
  turns.push_back({role::assistant, {}});
  const std::string pattern = form.prompt(texts, turns);
  std::vector<std::string> parts(1);
  for (const char c : pattern)
    if (c == any_text)
      parts.emplace_back();
    else
      parts.back() += c;
  // Without a system text nothing is in front of the first role, not the separator behind it.
  if (!has_system && !form.texts.system.empty() && parts[0].starts_with(form.texts.separator))
    parts[0].erase(0, form.texts.separator.size());
  return parts;
}

/// The texts between the parts, if the prompt consists of these parts.
inline std::optional<std::vector<std::string_view>> texts_between(std::string_view prompt,
                                                                  const std::vector<std::string>& parts) {
  if (!prompt.starts_with(parts.front())) return std::nullopt;
  prompt.remove_prefix(parts.front().size());
  std::vector<std::string_view> texts;
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const bool is_last = i + 1 == parts.size();
    if (is_last && !prompt.ends_with(parts[i])) return std::nullopt;
    const std::size_t end = is_last ? prompt.size() - parts[i].size() : prompt.find(parts[i]);
    if (end == prompt.npos) return std::nullopt;
    texts.push_back(prompt.substr(0, end));
    prompt.remove_prefix(end + parts[i].size());
  }
  return texts;
}

inline std::optional<std::vector<message>> turns_in_form(const conversation_form& form, std::string_view prompt,
                                                         bool has_system) {
  // The part between an answer and the next question tells the number of questions. It may be in front of the first
  // question, too.
  const std::vector<std::string> two = parts_of_template(form, 2, has_system);
  const std::string& next = two[two.size() - 2];
  const std::size_t question = has_system ? prompt.find(two[1]) : 0;
  if (question == prompt.npos) return std::nullopt;
  std::size_t users = 1, at = question + two[has_system ? 1 : 0].size();
  for (; (at = prompt.find(next, at)) != prompt.npos; at += next.size()) ++users;
  const auto texts = texts_between(prompt, parts_of_template(form, users, has_system));
  if (!texts) return std::nullopt;
  std::vector<message> turns;
  for (const std::string_view text : *texts) {
    const bool is_system = has_system && turns.empty();
    const bool is_user = turns.empty() || turns.back().from != role::user;
    turns.push_back({is_system ? role::system : is_user ? role::user : role::assistant, std::string(text)});
  }
  if (has_system && turns.front().text.empty()) turns.erase(turns.begin());
  return turns;
}

}  // namespace detail

LLAVA_INLINE std::optional<std::vector<message>> turns_of_prompt(std::string_view prompt) {
  // One template of each form; the system text is not compared.
  constexpr conversation_form forms[] = {form_of<vicuna_v1>,    form_of<llava_v0>,         form_of<llava_llama_2>,
                                         form_of<qwen_1_5>,     form_of<mistral_instruct>, form_of<chatml_direct>,
                                         form_of<llava_llama_3>};
  // Forms that differ only between turns take a whole conversation as one question. The right one finds all turns.
  std::optional<std::vector<message>> most;
  for (const conversation_form& form : forms)
    for (const bool has_system : {true, false})
      if (auto turns = detail::turns_in_form(form, prompt, has_system);
          turns && (!most || turns->size() > most->size()))
        most = std::move(turns);
  return most;
}

}  // namespace serve
LLAVA_END
