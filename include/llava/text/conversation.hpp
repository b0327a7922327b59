// SPDX-License-Identifier: Apache-2.0
/// Conversations: build the text of a prompt from turns, exactly as LLaVA's conversation.py does. A template is a type
/// (conversation_templates.hpp). any_conversation holds one of them, chosen by name. of_checkpoint holds the one that a
/// folder selects, one of these or the folder's own chat template.
///
/// A turn without text is to be answered: the prompt ends with its role. Turns alternate and begin with the user. The
/// separator after a turn depends on its position, as in the reference. A first turn of the role `system` replaces the
/// template's system text.
#pragma once
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>
#include <llava/text/conversation_styles.hpp>
#include <llava/text/conversation_templates.hpp>

LLAVA_BEGIN

template <class T>
concept conversation_template = requires(std::span<const message> turns) {
  { T::name } -> std::convertible_to<std::string_view>;
  { T::style::prompt(texts_of<T>(), turns) } -> std::convertible_to<std::string>;
  { T::style::stop(texts_of<T>()) } -> std::convertible_to<std::string_view>;
};

/// A template as a value, chosen at run time.
struct conversation_form {
  std::string_view name;
  template_texts texts;
  std::string (*prompt)(const template_texts&, std::span<const message>);
  std::string_view (*stop)(const template_texts&);
  bool image_turn = false;           ///< images have a turn of their own
  std::string_view stop_token = {};  ///< ends an answer, beside the checkpoint's own; empty: none
};

namespace detail {
// detail::template_texts is another class (chat_template_texts.hpp).
template <class Style>
std::string prompt_in_style(const llava::template_texts& texts, std::span<const message> turns) {
  return Style::prompt(texts, turns);
}
template <class Style>
std::string_view stop_of_style(const llava::template_texts& texts) {
  return Style::stop(texts);
}
template <class T>
concept has_image_turn = requires {
  T::image_turn;
};
template <class T>
constexpr std::string_view stop_token_of() {
  if constexpr (requires { T::stop_token; })
    return T::stop_token;
  else
    return {};
}
}  // namespace detail

/// The template T as a value.
template <conversation_template T>
inline constexpr conversation_form form_of{T::name,
                                           texts_of<T>(),
                                           detail::prompt_in_style<typename T::style>,
                                           detail::stop_of_style<typename T::style>,
                                           detail::has_image_turn<T>,
                                           detail::stop_token_of<T>()};

namespace detail {
/// The index of the form with this name, or −1.
LLAVA_INLINE int find_form(std::span<const conversation_form> forms, std::string_view name);
LLAVA_INLINE std::string names_of_forms(std::span<const conversation_form> forms);
LLAVA_INLINE error unknown_form(std::span<const conversation_form> forms, std::string_view name);
LLAVA_INLINE result<std::string> try_prompt(const conversation_form& form, std::span<const message> turns);
LLAVA_INLINE std::vector<message> with_image(const conversation_form& form, std::span<const message> turns);

/// The template of a conversation as a value, whether the conversation is a type or a run-time choice.
template <class C>
constexpr const conversation_form& form_of_conversation(const C& conversation) {
  if constexpr (requires { conversation.form(); })
    return conversation.form();
  else
    return form_of<C>;
}
}  // namespace detail

/// A choice of one template by the reference's names. The default is the first.
template <conversation_template... T>
class conversation_list {
 public:
  conversation_list() = default;
  template <class C>
  requires(std::is_same_v<C, T> || ...) conversation_list(C) { choose(C::name); }

  /// The template with this name. The error lists all names.
  static result<conversation_list> try_named(std::string_view name) {
    conversation_list found;
    if (found.choose(name)) return found;
    return detail::unknown_form(forms, name);
  }
  /// Chooses by name. Returns false and changes nothing if no template has this name.
  bool choose(std::string_view name) {
    const int found = detail::find_form(forms, name);
    if (found >= 0) chosen_ = found;
    return found >= 0;
  }
  const conversation_form& form() const { return forms[chosen_]; }
  std::string_view name() const { return form().name; }
  /// All names, for errors.
  static std::string names() { return detail::names_of_forms(forms); }

 private:
  static constexpr conversation_form forms[] = {form_of<T>...};
  int chosen_ = 0;
};

/// One of the reference's templates. The default is vicuna_v1, as in the reference.
using any_conversation = conversation_list<vicuna_v1, v1, llava_v1, v1_mmtag, default_v0, v0, llava_v0, v0_mmtag,
                                           llava_llama_2, llama_2, mistral_instruct, chatml_direct, mistral_direct, mpt,
                                           plain, v0_plain, llava_llama_3, qwen_1_5, qwen_2, qwen_2_5>;

/// The prompt for these turns. Errors: the template does not have the role of a turn; a folder's chat template uses an
/// unsupported feature or refuses the conversation.
template <class C>
result<std::string> try_prompt(const C& conversation, std::span<const message> turns) {
  if constexpr (requires { conversation.own(); })
    if (conversation.own()) return conversation.own()->try_prompt(turns);
  return detail::try_prompt(detail::form_of_conversation(conversation), turns);
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
template <class C>
std::string prompt(const C& conversation, std::span<const message> turns) {
  return value_or_throw(try_prompt(conversation, turns));
}
#endif

/// The text at which the reference's programs cut an answer; empty if there is none.
template <class C>
std::string_view stop_string(const C& conversation) {
  if constexpr (requires { conversation.own(); })
    if (conversation.own()) return {};
  const conversation_form& form = detail::form_of_conversation(conversation);
  return form.stop(form.texts);
}

/// The turns of a conversation that begins with an image, as in the reference's demo: `<image>` comes before the first
/// text, or is a turn of its own in templates that mark images with tags. `<image>` that the user typed in the first
/// text is removed.
template <class C>
std::vector<message> with_image(const C& conversation, std::span<const message> turns) {
  return detail::with_image(detail::form_of_conversation(conversation), turns);
}

/// The template that the reference's command line selects for a model of this name, or else the one that LLaVA-NeXT's
/// documents name for it.
LLAVA_INLINE std::string_view conversation_of_model(std::string_view model_name);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/conversation_inl.hpp>
#endif
