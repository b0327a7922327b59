// SPDX-License-Identifier: Apache-2.0
/// session::ask_as<T>: a question whose answer is a struct (grammar/described.hpp). The answer is constrained to the
/// JSON of a T, so it can always be read. Opt-in.
///
///   const animal seen = chat.ask_as<animal>(image, "Describe the animal.");
///
/// try_masks: the token masks of a grammar for a model, for generation_hooks::processor and servers.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/grammar/constrained.hpp>
#include <llava/grammar/constraint.hpp>
#include <llava/grammar/described.hpp>
#include <llava/grammar/described_value.hpp>
#include <llava/grammar/json_schema.hpp>
#include <llava/grammar/token_vocabulary.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

namespace detail {
/// Its address is a type's key in opened_model::try_part.
template <class T>
inline constexpr char part_key = 0;
}  // namespace detail

/// Returns the masks of a grammar over the tokens of a model. The model keeps the vocabulary, which takes a tenth of a
/// second to make; keep the masks as long as answers need them. `most_work`, errors: those of token_vocabulary and
/// token_masks.
inline result<token_masks> try_masks(const opened_model& model, grammar texts,
                                     std::uint64_t most_work = token_masks::any_work) {
  LLAVA_TRY(kept, model.try_part(&detail::part_key<token_vocabulary>, [&]() -> result<std::shared_ptr<const void>> {
    LLAVA_TRY(made, token_vocabulary::try_make(model.opened.tokenizer));
    return std::shared_ptr<const void>(std::make_shared<const token_vocabulary>(std::move(made)));
  }));
  return token_masks::try_make(std::move(texts), *static_cast<const token_vocabulary*>(kept.get()),
                               model.opened.description.eos, most_work);
}

template <class T>
result<T> session::try_ask_as(std::span<const image> images, std::string_view question, text_callback on_text) {
  static_assert(described<T>, "llava: ask_as<T> needs a struct T with `fields` (llava/grammar/described.hpp)");
  LLAVA_TRY(kept, model_->try_part(&detail::part_key<T>, [&]() -> result<std::shared_ptr<const void>> {
    LLAVA_TRY(texts, try_described_grammar<T>());
    LLAVA_TRY(masks, try_masks(*model_, std::move(texts)));
    return std::shared_ptr<const void>(std::make_shared<const token_masks>(std::move(masks)));
  }));
  struct restored {
    session& chat;
    std::shared_ptr<const logits_processor> before;
    ~restored() { chat.hooks.processor = std::move(before); }
  } const own{*this, std::exchange(hooks.processor, constrained(*static_cast<const token_masks*>(kept.get())))};
  LLAVA_TRY(a, try_ask(images, question, on_text));
  if (a.reason != finish_reason::eos)
    return fail(errc::context_full, text_of("llava: the answer was cut off after ", a.tokens.size(),
                                            " tokens, before its JSON was complete; set a larger max_new_tokens"));
  return try_read_described<T>(a.text);
}

LLAVA_END
