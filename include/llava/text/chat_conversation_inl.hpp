// SPDX-License-Identifier: Apache-2.0
/// Definitions of chat_conversation.hpp.
#pragma once
#include <cstddef>
#include <memory>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/text/chat_conversation.hpp>
#include <llava/text/chat_template.hpp>

LLAVA_BEGIN

namespace detail {

/// A template and its variables other than the turns.
class chat_renderer {
 public:
  chat_renderer(const chat_template_text& about, std::vector<std::pair<std::string, std::string>> tokens)
      : template_(chat_template::try_parse(about.text, about.file)),
        tokens_(std::move(tokens)),
        parts_first_(about.parts_first) {}

  result<std::string> try_prompt(std::span<const message> turns) const {
    return guarded([&]() -> result<std::string> {
      if (!template_) return template_.error();
      result<std::string> one = render(turns, parts_first_);
      if (one && is_whole(*one, turns)) return one;
      result<std::string> other = render(turns, !parts_first_);
      if (other && is_whole(*other, turns)) return other;
      return !one && !other && other.error().code() == errc::invalid_argument ? other
                                                                              : one;  // the template's own message
    });
  }

 private:
  static constexpr std::string_view image_line = "<image>\n";

  static std::size_t count(std::span<const message> turns) {
    std::size_t n = 0;
    for (const message& m : turns) n += images_in(m);
    return n;
  }
  /// Whether the prompt contains all images and the text of the last user turn.
  static bool is_whole(std::string_view prompt, std::span<const message> turns) {
    if (const std::size_t n = count(turns); n > 0 && static_cast<std::size_t>(count_image_markers(prompt)) != n)
      return false;
    for (std::size_t i = turns.size(); i > 0; --i)
      if (turns[i - 1].from == role::user)
        return prompt.find(stripped(without_images(turns[i - 1]).text)) != std::string::npos;
    return true;
  }
  /// A turn without its leading image lines, and the number of these.
  struct split_turn {
    std::string_view text;
    int images = 0;
  };
  static split_turn without_images(const message& turn) {
    split_turn s{turn.text, 0};
    const auto begins = [&] { return s.text.substr(0, image_line.size()) == image_line; };
    for (std::size_t left = images_in(turn); left > 0 && begins(); --left, ++s.images)
      s.text.remove_prefix(image_line.size());
    return s;
  }

  result<std::string> render(std::span<const message> turns, bool as_parts) const {
    template_memory memory;
    const auto dict = [&](std::string_view key, std::string_view text) {
      const template_value v = memory.make(template_type::dict);
      v.object->set(key, template_text(text));
      return v;
    };
    const bool asks = !turns.empty() && turns.back().from == role::assistant && turns.back().text.empty();
    if (asks) turns = turns.first(turns.size() - 1);
    std::vector<template_value> messages;
    for (const message& turn : turns) {
      constexpr std::string_view names[] = {"user", "assistant", "system", "tool"};
      const template_value m = dict("role", names[static_cast<std::size_t>(turn.from)]);
      template_value content = template_text(turn.text);
      if (as_parts) {
        const split_turn s = without_images(turn);
        content = memory.make(template_type::content);
        for (int i = 0; i < s.images; ++i) content.object->items.push_back(dict("type", "image"));
        if (s.images == 0 || !s.text.empty()) {
          content.object->items.push_back(dict("type", "text"));
          content.object->items.back().object->set("text", template_text(s.text));
        }
      }
      m.object->set("content", content);
      messages.push_back(m);
    }
    const template_value variables = memory.make(template_type::dict);
    for (const auto& [name, text] : tokens_) variables.object->set(name, template_text(text));
    variables.object->set("messages", memory.list(std::move(messages)));
    variables.object->set("add_generation_prompt", template_boolean(asks));
    variables.object->set("tools", template_none());
    variables.object->set("documents", template_none());
    return template_->try_render(variables, memory);
  }

  result<chat_template> template_;
  std::vector<std::pair<std::string, std::string>> tokens_;
  bool parts_first_;
};

}  // namespace detail

LLAVA_INLINE chat_conversation::chat_conversation(const chat_template_text& about,
                                                  std::vector<std::pair<std::string, std::string>> tokens)
    : renderer_(std::make_shared<const detail::chat_renderer>(about, std::move(tokens))) {}

LLAVA_INLINE result<std::string> chat_conversation::try_prompt(std::span<const message> turns) const {
  return renderer_->try_prompt(turns);
}

LLAVA_END
