// SPDX-License-Identifier: Apache-2.0
/// of_checkpoint<Default>: the conversation that a folder selects, so that a folder has the same prompt with every
/// model type: one of the reference's templates, or the folder's own chat template. Default is used if the folder
/// selects none.
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
  /// Chooses one of the reference's templates. Returns false and changes nothing if none has this name.
  bool choose(std::string_view name) {
    if (!named_.choose(name)) return false;
    own_.reset();
    return true;
  }
  /// Chooses the folder's own chat template.
  void choose(chat_conversation own) { own_.emplace(std::move(own)); }

  const chat_conversation* own() const { return own_ ? &*own_ : nullptr; }
  std::string_view name() const { return own_ ? std::string_view("chat_template") : named_.name(); }
  static std::string names() { return list::names(); }
  /// The reference's template, which is used if own() is null.
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
