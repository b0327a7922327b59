// SPDX-License-Identifier: Apache-2.0
/// of_checkpoint<Default>: the conversation that a folder asks for, so that one folder has one prompt whatever type
/// opens it: one of the reference's templates, or the folder's own chat template. Default stands where the folder
/// says nothing.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <llava/text/chat_conversation.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN

/// A conversation for `using conversation =` in a model.
template <conversation_template Default = vicuna_v1>
class of_checkpoint {
 public:
  /// One of the reference's templates from now on; false, and no change, when none is called so.
  bool choose(std::string_view name) {
    if (!named_.choose(name)) return false;
    own_.reset();
    return true;
  }
  /// The folder's own from now on.
  void choose(chat_conversation own) { own_.emplace(std::move(own)); }

  const chat_conversation* own() const { return own_ ? &*own_ : nullptr; }
  std::string_view name() const { return own_ ? std::string_view("chat_template") : named_.name(); }
  static std::string names() { return list::names(); }
  /// The reference's template, where the folder's own is not chosen.
  const conversation_form& form() const { return named_.form(); }

 private:
  template <class... T>
  static auto with_default(const conversation_list<T...>& all) {
    if constexpr ((std::is_same_v<Default, T> || ...))
      return all;
    else
      return conversation_list<Default, T...>();
  }
  using list = decltype(with_default(any_conversation()));

  list named_ = Default();
  std::optional<chat_conversation> own_;
};

LLAVA_END
