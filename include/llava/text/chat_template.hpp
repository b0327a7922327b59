// SPDX-License-Identifier: Apache-2.0
/// chat_template: the template with which a model folder turns a conversation into a prompt, in the part of Jinja that
/// such templates use, rendered as in transformers (trim_blocks and lstrip_blocks, `generation`, `tojson` as
/// json.dumps). It knows no file format.
///
/// Supported: for with `if` and `else`, if, set with namespaces and blocks, macro, generation, break, continue; all
/// operators except / and **; slices; integers; loop.*; the filters, tests, methods and functions of
/// chat_template_functions.hpp and chat_template_texts.hpp. Anything else is an error that names it, once parsing or
/// rendering reaches it. So are the string form of a list and case conversion of non-ASCII text. Time and memory are
/// bounded for any template.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/text/chat_template_parser.hpp>
#include <llava/text/chat_template_render.hpp>

LLAVA_BEGIN

/// A parsed template. Immutable; copies share the tree; const calls are safe from any thread.
class chat_template {
 public:
  static constexpr std::size_t longest = std::size_t{128} << 10;

  /// Errors refer to the template as `name`.
  static result<chat_template> try_parse(std::string_view text, std::string_view name = "the chat template") {
    return guarded([&]() -> result<chat_template> {
      if (text.size() > longest)
        return fail(errc::unsupported,
                    text_of("llava: ", name, " has ", text.size(), " bytes, expected at most ", longest));
      for (std::size_t at = 0; at < text.size(); at += utf8_at(text, at).bytes)
        if (!utf8_at(text, at).valid)
          return fail(errc::invalid_format, text_of("llava: ", name, " has invalid UTF-8 at byte ", at));
      chat_template made;
      const auto tree = std::make_shared<template_tree>();
      const std::string problem = detail::template_parser(*tree).parse(text);
      if (!problem.empty()) return fail(errc::unsupported, text_of("llava: ", name, ": ", problem));
      made.tree_ = tree;
      made.name_ = name;
      return made;
    });
  }

  /// Renders the template with `variables`, a dictionary in `memory`.
  result<std::string> try_render(const template_value& variables, template_memory& memory) const {
    return guarded([&]() -> result<std::string> {
      detail::template_renderer renderer(*tree_, variables, memory);
      std::string text = renderer.render();
      if (!renderer.run.failed()) return result<std::string>(std::move(text));
      if (!renderer.run.refusal.empty())
        return fail(errc::invalid_argument,
                    text_of("llava: ", name_, " refuses this conversation: ", renderer.run.refusal));
      return fail(errc::unsupported, text_of("llava: ", name_, ": ", renderer.run.problem));
    });
  }

 private:
  chat_template() = default;
  std::shared_ptr<const template_tree> tree_;
  std::string name_;
};

LLAVA_END
