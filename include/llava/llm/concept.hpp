// SPDX-License-Identifier: Apache-2.0
/// decoder: the language model, from tokens to logits. It is a tag with a `name` and a member template
/// `stage<B, Numbers, P, Act>`. Numbers is fixed<&M::text> or loaded<text_config>, P the weight policy, Act the
/// activation of the MLP or one_of several.
///   stage(numbers, act, rows, vocab)          the embedding table and the head have `rows` rows, and the first `vocab`
///                                             are tokens; stage(numbers, act, rows, vocab, D) if a D has state
///   config(), head_rows(), vocab()            return the numbers, `rows` and `vocab`
///   each(visit)                               visits its weights, named "text.…": visit(name, slot, dims)
///   try_prepare(memory)                       computes tables that no file has; called once, after weights are filled
///   embed_tokens(queue, x, ids)               x[t] = embedding of ids[t] where ids[t] ≥ 0               x (T, D)
///   forward(queue, x, rows, cache, go_on)     runs all layers on x (T, D) in place, and writes keys and values to
///                                             `cache`, whose layer(i) is one layer (kv_layout.hpp). `go_on` is called
///                                             before every layer; if it returns false, so does forward
///   head(queue, logits, x)                    x (R, D) -> logits (R, rows)
/// A row of x depends on its own sequence alone (R14). Only ops read elements. config.json chooses a decoder by its
/// name, model_description::decoder: "llama", "mpt". Models name one as `using decoder =`; docs/adding-a-model.md.
#pragma once
#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <llava/base/error.hpp>
#include <llava/config.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/ops/queue_of.hpp>
#include <llava/tensor/view.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

namespace detail {
/// Whether a stage can be made from its choice D and its numbers.
template <class S, class D, class Numbers, class Act>
inline constexpr bool is_decoder_made =
    std::is_constructible_v<S, Numbers, Act, int, int> || std::is_constructible_v<S, Numbers, Act, int, int, D>;

template <class S, class B, class P>
concept decoder_stage = requires(S s, const S c, queue_of<B>& q, matrix_view<float> x,
                                 vector_view<const std::int32_t> ids, step_rows rows,
                                 const kv_cache<kv_layout_of<B, typename P::kv_cache>>& cache, const memory& to) {
  { c.config() } -> std::convertible_to<const text_config&>;
  { c.head_rows() } -> std::convertible_to<int>;
  { c.vocab() } -> std::convertible_to<int>;
  s.each(any_visitor{});
  { s.try_prepare(to) } -> std::same_as<result<void>>;
  c.embed_tokens(q, x, ids);
  { c.forward(q, x, rows, cache, static_cast<bool (*)()>(nullptr)) } -> std::same_as<bool>;
  c.head(q, x, matrix_view<const float>(x));
};
}  // namespace detail

/// D can be the decoder of a model.
template <class D, class B, class Numbers, class P, class Act>
concept decoder = requires {
  { D::name } -> std::convertible_to<std::string_view>;
  typename D::template stage<B, Numbers, P, Act>;
  requires detail::is_decoder_made<typename D::template stage<B, Numbers, P, Act>, D, Numbers, Act>;
  requires detail::decoder_stage<typename D::template stage<B, Numbers, P, Act>, B, P>;
};

LLAVA_END
