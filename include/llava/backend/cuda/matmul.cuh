// SPDX-License-Identifier: Apache-2.0
/// matmul, matmul_joined, matmul_gated and activate of the CUDA backend (contracts: ops/matmul.hpp, ops/joined.hpp,
/// ops/activate.hpp). The kernel follows from the format of w and the number of rows T:
///
/// | w | few rows | many rows | deterministic queue |
/// |---|---|---|---|
/// | f16, bf16 | few_rows, T ≤ 16 | tensor_tiles | tensor_tiles |
/// | f32 | few_float_rows, T ≤ 8 | plain_tiles | few_float_rows, 8 rows at a time |
/// | 16 bits, odd K or unaligned rows | plain_tiles | plain_tiles | plain_tiles |
/// | block and affine formats | coded_few_rows, 8 rows at a time up to T = 16 | coded_tiles | coded_few_rows |
/// | nf4 | few_nf4_rows, T ≤ 16 | expand_nf4 and tensor_tiles | few_nf4_rows, 16 rows at a time |
///
/// A queue with a library for products of many rows (blas.cuh) has that for more than 16 rows of dense weights and nf4,
/// unless it is deterministic.
///
/// Every sum has a fixed order: a product repeats its bytes from run to run. Each kernel's order depends on K alone,
/// but those of few rows and of many differ: the last bits of a row depend on which side of the limit its batch is. A
/// deterministic queue has one kernel for all T, and no such limit. x of block and affine formats is quantised exactly
/// as the contract says, and the integer sums of a block are exact; only the order of their f32 sums is the kernel's.
///
/// Products with one x are one launch if they have few rows and a kernel that takes several (parts.cuh), all but f32.
/// With many rows, those of block and affine formats share the quantised x.
///
/// Kernels of few rows load w before the kernels that precede them have ended (programmatic launch): w is a weight,
/// which no op writes.
#pragma once
#include <cstddef>
#include <span>
#include <type_traits>

#include <llava/backend/cuda/matmul/products.cuh>
#include <llava/ops/activate.hpp>
#include <llava/ops/joined.hpp>
#include <llava/ops/matmul.hpp>

LLAVA_CUDA_BEGIN

namespace detail {
/// x with elements T: a copy in the arena, for a weight whose own operands are not those of its mixed format.
template <class T>
matrix_view<const T> rounded(queue& q, matrix_view<const float> x) {
  const matrix_view<T> made = allocate_matrix<T>(q, x.extent(0), x.extent(1));
  q.launch<activate_rows<library_activation>>({x.data(), x.stride(), make_end(made, epilogue<>{})});
  return made;
}

/// A product with a weight.
template <floating F, class A>
typename product_parts<F, A>::product part_of(matrix_view<const F> w, const product_end<A>& end) {
  return {w.data(), w.stride(), end};
}
template <class F, class A>
typename product_parts<std::byte, A>::product part_of(packed_view<F> w, const product_end<A>& end) {
  return {w.data, packed_rows<F>::row_bytes(w.columns), end};
}
template <class A>
typename product_parts<std::byte, A>::product part_of(nf4_view w, const product_end<A>& end) {
  return {w.data, nf4_rows::row_bytes(w.columns), end};
}

/// Computes products whose weights are W's. x is an operand of W, or f32 for a weight of a mixed format.
template <class W>
struct products_with;
template <floating F>
struct products_with<matrix_view<const F>> {
  template <class X, class A>
  static void run(queue& q, matrix_view<const X> x, const product_parts<F, A>& parts) {
    arena_scope scope(q.workspace());
    if constexpr (std::is_same_v<X, F>)
      dense_products(q, x, parts);
    else
      dense_products(q, rounded<F>(q, x), parts);
  }
};
template <class F>
struct products_with<packed_view<F>> {
  template <class A>
  static void run(queue& q, matrix_view<const float> x, const product_parts<std::byte, A>& parts) {
    coded_products<F>(q, x, parts);
  }
};
template <>
struct products_with<nf4_view> {
  template <class X, class A>
  static void run(queue& q, matrix_view<const X> x, const product_parts<std::byte, A>& parts) {
    arena_scope scope(q.workspace());
    if constexpr (std::is_same_v<X, f16>)
      nf4_products(q, x, parts);
    else
      nf4_products(q, rounded<f16>(q, x), parts);
  }
};

template <class Y, class X, class W, class A>
void product(queue& q, matrix_view<Y> y, matrix_view<const X> x, const W& w, const epilogue<A>& e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  const auto part = part_of(w, make_end(y, e));
  products_with<W>::run(q, x, product_parts<std::remove_cvref_t<decltype(*part.w)>, activation_of<A>>{{part}});
}
}  // namespace detail

/// w dense; y is f32, or an operand like x.
template <floating Y, floating F, class A>
requires(std::is_same_v<Y, float> || std::is_same_v<Y, F>) void matmul(queue& q, matrix_view<Y> y,
                                                                       matrix_view<const F> x, matrix_view<const F> w,
                                                                       epilogue<A> e) {
  detail::product(q, y, x, w, e);
}
/// w dense with 16 bits, in a mixed format whose operands are f32.
template <floating F, class A>
requires(!std::is_same_v<F, float>) void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x,
                                                matrix_view<const F> w, epilogue<A> e) {
  detail::product(q, y, x, w, e);
}
/// w in a block format or an affine one.
template <class F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, packed_view<F> w, epilogue<A> e) {
  detail::product(q, y, x, w, e);
}
/// w in nf4; y is f32, or an operand like x.
template <floating Y, class A>
requires(!std::is_same_v<Y, bf16>) void matmul(queue& q, matrix_view<Y> y, matrix_view<const f16> x, nf4_view w,
                                               epilogue<A> e) {
  detail::product(q, y, x, w, e);
}
/// w in nf4, in a mixed format whose operands are f32.
template <class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, nf4_view w, epilogue<A> e) {
  detail::product(q, y, x, w, e);
}
/// w in a mixed format.
template <floating Y, floating X, class B, class F, class A>
void matmul(queue& q, matrix_view<Y> y, matrix_view<const X> x, const mixed_view<B, F>& w, epilogue<A> e) {
  w.visit([&](const auto& own) { matmul(q, y, x, own, e); });
}

namespace detail {
/// The part of `products` that begins with the first and has weights of one type, at most as many as one kernel takes.
template <class X, class W>
std::size_t run_joined(queue& q, matrix_view<const X> x, std::span<const joined_product<W>> products) {
  using part = decltype(part_of(products[0].w, make_end(products[0].y, epilogue<>{})));
  product_parts<std::remove_cvref_t<decltype(*part().w)>, library_activation> parts{};
  for (parts.count = 0; parts.count < parts.most && static_cast<std::size_t>(parts.count) < products.size();) {
    const joined_product<W>& p = products[static_cast<std::size_t>(parts.count)];
    if (!q.accepts(ops::matmul_shapes(p.y, x, p.w, epilogue<>{p.bias}))) break;
    parts.part[parts.count++] = part_of(p.w, make_end(p.y, epilogue<>{p.bias}));
  }
  const auto count = static_cast<std::size_t>(parts.count);
  if (count > 0) products_with<W>::run(q, x, parts);
  return count > 0 ? count : products.size();  // the queue has failed: nothing is left to do
}
template <class X, class B, class F>
std::size_t run_joined(queue& q, matrix_view<const X> x, std::span<const joined_product<mixed_view<B, F>>> products) {
  std::size_t count = 0;
  products[0].w.visit([&]<class W>(const W&) {
    joined_product<W> own[4];
    for (bool is_same = true; is_same && count < products.size() && count < std::size(own);) {
      const auto& p = products[count];
      is_same = false;
      p.w.visit([&]<class V>(const V& v) {
        if constexpr (std::is_same_v<V, W>) own[count++] = {p.y, v, p.bias}, is_same = true;
      });
    }
    matmul_joined(q, x, std::span<const joined_product<W>>(own, count));
  });
  return count;
}
}  // namespace detail

template <class X, class W>
void matmul_joined(queue& q, matrix_view<const X> x, std::span<const joined_product<W>> products) {
  while (!products.empty()) products = products.subspan(detail::run_joined(q, x, products));
}

/// y is f32, or an operand like x.
template <class Y, class X, class W, class A>
void matmul_gated(queue& q, matrix_view<Y> y, matrix_view<const X> x, const biased_weight<W>& gate,
                  const biased_weight<W>& up, A) {
  const epilogue<A> first{gate.bias};
  const epilogue<> second{up.bias, update::multiply};
  if constexpr (std::is_same_v<activation_of<A>, library_activation>) {
    if (!q.accepts(ops::matmul_shapes(y, x, gate.w, first)) || !q.accepts(ops::matmul_shapes(y, x, up.w, second)))
      return;
    const auto part = detail::part_of(gate.w, make_end(y, first));
    detail::products_with<W>::run(q, x,
                                  product_parts<std::remove_cvref_t<decltype(*part.w)>, library_activation>{
                                      {part, detail::part_of(up.w, make_end(y, second))}, 2, true});
  } else {  // the ends of the two have different types
    matmul(q, y, x, gate.w, first);
    matmul(q, y, x, up.w, second);
  }
}
template <class Y, class X, class B, class F, class A>
void matmul_gated(queue& q, matrix_view<Y> y, matrix_view<const X> x, const biased_weight<mixed_view<B, F>>& gate,
                  const biased_weight<mixed_view<B, F>>& up, A act) {
  gate.w.visit([&]<class W>(const W& own_gate) {
    up.w.visit([&]<class V>(const V& own_up) {
      if constexpr (std::is_same_v<V, W>) {
        matmul_gated(q, y, x, biased_weight<W>{own_gate, gate.bias}, biased_weight<W>{own_up, up.bias}, act);
      } else {
        matmul(q, y, x, own_gate, epilogue<A>{gate.bias});
        matmul(q, y, x, own_up, epilogue<>{up.bias, update::multiply});
      }
    });
  });
}

template <floating Y, class A>
void activate(queue& q, matrix_view<Y> y, matrix_view<const float> z, A, update how) {
  if (!q.accepts(ops::activate_shapes(y, z, how))) return;
  q.launch<activate_rows<activation_of<A>>>({z.data(), z.stride(), make_end(y, epilogue<A>{{}, how})});
}

LLAVA_CUDA_END
