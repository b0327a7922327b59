// SPDX-License-Identifier: Apache-2.0
/// Definitions of conversation_styles.hpp.
#pragma once
#include <llava/text/conversation_styles.hpp>
#include <llava/text/utf8.hpp>

LLAVA_BEGIN

namespace conversation_styles {

LLAVA_INLINE std::string single::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out = std::string(t.system) + std::string(t.separator);
  const auto say = [&](role who, std::string_view text) {
    out.append(t.roles[static_cast<std::size_t>(who)]).append(":");
    if (!text.empty()) out.append(" ").append(text).append(t.separator);
  };
  role from = role::user;
  for (const std::string_view text : t.demonstration)
    say(from, text), from = from == role::user ? role::assistant : role::user;
  for (const message& m : turns) say(m.from, m.text);
  return out;
}

LLAVA_INLINE std::string two::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out = std::string(t.system) + std::string(t.separator);
  for (std::size_t i = 0; i < turns.size(); ++i) {
    out.append(t.roles[static_cast<std::size_t>(turns[i].from)]).append(":");
    if (!turns[i].text.empty()) out.append(" ").append(turns[i].text).append(i % 2 == 0 ? t.separator : t.separator2);
  }
  return out;
}

LLAVA_INLINE std::string mpt::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out = std::string(t.system_role) + std::string(t.system) + std::string(t.separator);
  for (const message& m : turns) {
    out.append(t.roles[static_cast<std::size_t>(m.from)]);
    if (!m.text.empty()) out.append(m.text).append(t.separator);
  }
  return out;
}

LLAVA_INLINE std::string chatml::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out;
  const auto say = [&](std::string_view role, std::string_view text) {
    out.append(role).append(text).append(t.separator).append("\n");
  };
  if (!t.system.empty()) say(t.system_role, t.system);
  for (const message& m : turns) {
    const std::string_view role = t.roles[static_cast<std::size_t>(m.from)];
    if (m.text.empty())
      out.append(role);
    else
      say(role, m.text);
  }
  return out;
}

LLAVA_INLINE std::string llama_3::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out;
  const auto say = [&](std::string_view role, std::string_view text) {
    out.append(role).append(stripped(text)).append(t.separator);
  };
  say(t.system_role, t.system);
  for (const message& m : turns)
    if (!m.text.empty()) say(t.roles[static_cast<std::size_t>(m.from)], m.text);
  return out.append(t.roles[static_cast<std::size_t>(role::assistant)]);
}

LLAVA_INLINE std::string llama_2::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out;
  for (std::size_t i = 0; i < turns.size(); ++i) {
    if (turns[i].text.empty()) continue;
    std::string text = turns[i].text;
    if (i == 0 && !t.system.empty()) text = "<<SYS>>\n" + std::string(t.system) + "\n<</SYS>>\n\n" + text;
    if (i % 2 == 0)
      out.append(t.separator).append("[INST] ").append(text).append(" [/INST]");
    else
      out.append(" ").append(text).append(" ").append(t.separator2);
  }
  // As in the reference, any characters of the separator are stripped, not the separator as a whole.
  const std::size_t first = t.separator.empty() ? 0 : out.find_first_not_of(t.separator);
  return first == std::string::npos ? std::string() : out.substr(first);
}

LLAVA_INLINE std::string plain::prompt(const template_texts& t, std::span<const message> turns) {
  std::string out(t.system);
  for (std::size_t i = 0; i < turns.size(); ++i)
    if (!turns[i].text.empty()) out.append(turns[i].text).append(i % 2 == 0 ? t.separator : t.separator2);
  return out;
}

}  // namespace conversation_styles

LLAVA_END
