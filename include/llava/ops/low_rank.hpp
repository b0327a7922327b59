// SPDX-License-Identifier: Apache-2.0
/// low_rank_weight: a LoRA adapter of one weight (Hu et al. 2021), as the queue of a backend with adapters takes it
/// (backend/adapted.hpp). A weight is known by the address of its elements, so stages need not know of adapters.
///   w (N, K) · A (r, K) · B (N, r), which includes the adapter's scale          x · wᵀ becomes x · wᵀ + (x · Aᵀ) · Bᵀ
/// A and B are dense, with the elements of the operands of products with w (operand.hpp).
#pragma once
#include <compare>
#include <concepts>
#include <cstddef>
#include <limits>
#include <span>

#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// An adapter's A and B of one weight, in the backend's memory.
struct low_rank_weight {
  const void* weight = nullptr;  ///< the address of w
  const std::byte* a = nullptr;  ///< (r, K)
  const std::byte* b = nullptr;  ///< (N, r)
  std::ptrdiff_t rank = 0;       ///< r
};

/// A weight (N, K) that a planned product has read.
struct multiplied_weight {
  const void* weight = nullptr;
  std::ptrdiff_t rows = 0, columns = 0;
  dtype operand = dtype::float32;  ///< of A, B and x
};

namespace ops {
/// A number of rows that covers those of any matrix.
inline constexpr std::ptrdiff_t every_row = (std::numeric_limits<std::ptrdiff_t>::max)();

/// The address of a weight's elements; w is any weight type of a backend.
template <class W>
const void* address_of(const W& w) {
  if constexpr (requires { w.data(); })
    return w.data();
  else
    return w.data;
}

/// The order of an adapter's weights: that of their addresses.
inline bool is_before(const void* a, const void* b) { return std::compare_three_way()(a, b) < 0; }

/// Whether rows of a queue's products may have adapters: adapt(first, count, weights) gives rows first … first + count
/// − 1 those of an adapter, in the order of addresses; adapt_none() ends that. On a planning queue multiplied() returns
/// the weights of all products.
template <class Q>
concept adapts_rows = requires(Q& q, std::ptrdiff_t n, std::span<const low_rank_weight> weights) {
  q.adapt(n, n, weights);
  q.adapt_none();
  { q.multiplied() } -> std::convertible_to<std::span<const multiplied_weight>>;
};
}  // namespace ops

LLAVA_END
