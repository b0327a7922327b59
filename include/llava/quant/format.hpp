// SPDX-License-Identifier: Apache-2.0
/// weight_format: how the elements of a weight matrix are stored. `format<F>` describes F: its name, the type of its
/// view, and its size in bytes. The dense formats are the element types themselves: f32, f16, bf16. The others are
/// coded: block formats (quant/blocks.hpp) store each row by itself, tensor formats (quant/tensor_format.hpp) the
/// matrix as a whole.
///
/// weights<F> is the policy that assigns a format to every stage. A dense F applies to all stages. A quantised F
/// applies to the linear layers of the text model. The head uses F::head if F has one (the 4-bit block formats: q8_0),
/// the tower and projector use F::tower if F has one (q16_0: itself), the projector alone F::projector (nf4: itself),
/// and everything else is f16. A derived policy overrides a stage:
///   struct mixed : llava::weights<llava::q4_0> { using head = llava::f16; };
#pragma once
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

template <class F>
struct format;

template <floating F>
struct format<F> {
  static constexpr std::string_view name = name_of(dtype_of<F>);
  static constexpr bool is_dense = true;
  using view = matrix_view<const F>;  // (N, K)
  static constexpr std::size_t bytes(std::size_t rows, std::size_t columns) { return rows * columns * sizeof(F); }
};

template <class F>
concept weight_format = requires {
  { format<F>::name } -> std::convertible_to<std::string_view>;
  { format<F>::is_dense } -> std::convertible_to<bool>;
  typename format<F>::view;
};

/// A format whose elements are codes. B::layout<F> is how backend B stores it.
template <class F>
concept coded_format = weight_format<F> && !format<F>::is_dense;

namespace detail {
template <class F>
using dense_or_f16 = std::conditional_t<format<F>::is_dense, F, f16>;

template <class F>
struct head_of {
  using type = dense_or_f16<F>;
};
template <class F>
requires requires { typename F::head; }
struct head_of<F> {
  using type = typename F::head;
};
template <class F>
struct tower_of {
  using type = dense_or_f16<F>;
};
template <class F>
requires requires { typename F::tower; }
struct tower_of<F> {
  using type = typename F::tower;
};
template <class F>
struct projector_of : tower_of<F> {};
template <class F>
requires requires { typename F::projector; }
struct projector_of<F> {
  using type = typename F::projector;
};
}  // namespace detail

/// The default policy of a format. Other policies derive from it and override a stage.
template <weight_format F>
struct weights {
  using vision = typename detail::tower_of<F>::type;
  using projector = typename detail::projector_of<F>::type;
  using text = F;
  using head = typename detail::head_of<F>::type;
  using embeddings = detail::dense_or_f16<F>;
  /// At least the range of the weights: keys of a bf16 model may exceed 65504, the largest f16.
  using kv_cache = std::conditional_t<std::is_same_v<F, f32> || std::is_same_v<F, bf16>, F, f16>;
};

/// A weight policy: a format for each stage, and the element type of the KV cache.
template <class P>
concept weight_policy = requires {
  typename P::vision;
  typename P::projector;
  typename P::text;
  typename P::head;
  typename P::embeddings;
  typename P::kv_cache;
};

/// Whether a policy stores any weights in a coded format.
template <weight_policy P>
inline constexpr bool has_block_weights =
    !(format<typename P::vision>::is_dense && format<typename P::projector>::is_dense &&
      format<typename P::text>::is_dense && format<typename P::head>::is_dense &&
      format<typename P::embeddings>::is_dense);

namespace detail {
/// A P that is neither a format nor a policy is unchanged; the pipeline reports it.
template <class P>
struct policy_of {
  using type = P;
};
template <weight_format F>
struct policy_of<F> {
  using type = weights<F>;
};
}  // namespace detail

/// The default policy of a format P; a policy P itself.
template <class P>
using policy_of = typename detail::policy_of<P>::type;

LLAVA_END
