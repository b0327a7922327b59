// SPDX-License-Identifier: Apache-2.0
/// adapted<B>: backend B with live LoRA adapters. Opt-in. Several adapters of one model are loaded at a time
/// (pipeline/load_adapter.hpp), and every session and every row of a batch has its own, or none:
///   open<M, adapted<simd>, F>(folder)
/// Weights, ops and formats are B's. Only matmul has another form: if w has an adapter in rows of the step, it computes
///   y[t] =, += or *= act(x[t] · wᵀ + bias + (x[t] · Aᵀ) · Bᵀ)
/// with the A and B of row t (ops/low_rank.hpp). The product with w reads w once for all rows, as without adapters. The
/// products with A and B are B's own, once per run of rows with one adapter. So a row still does not depend on the
/// other rows (R14), and a row without an adapter has the bytes that B computes.
///
/// A queue that replays its ops (ops/backend.hpp) does so for steps without adapters.
#pragma once
#include <algorithm>
#include <cstddef>
#include <span>
#include <type_traits>
#include <vector>

#include <llava/ops/activate.hpp>
#include <llava/ops/backend.hpp>
#include <llava/ops/joined.hpp>
#include <llava/ops/low_rank.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

template <class B>
struct adapted;

namespace adapted_backend {

template <class Q, class Shape, class Ops>
concept replays = requires(Q& q, const Shape& shape, Ops& ops) {
  q.replay(shape, ops);
};
template <class Q, class Y, class X, class W, class E>
concept multiplies = requires(Q& q, Y y, X x, const W& w, E e) {
  matmul(q, y, x, w, e);
};

/// The queue of B, which also knows the adapters of the rows of its products.
template <class B>
class queue : public B::queue {
 public:
  queue(const adapted<B>& backend, executor& threads, arena workspace)
      : B::queue(backend, threads, workspace), max_rank_(backend.max_rank), plans_(workspace.planning()) {}

  /// Gives rows first … first + count − 1 of the next products an adapter, whose weights are in the order of their
  /// addresses and must live until the products have run. Calls give ascending rows.
  void adapt(std::ptrdiff_t first, std::ptrdiff_t count, std::span<const low_rank_weight> weights) {
    if (weights.empty() || count <= 0) return;
    if (!runs_.empty() && runs_.back().weights.data() == weights.data() &&
        runs_.back().first + runs_.back().count == first)
      runs_.back().count += count;
    else
      runs_.push_back({first, count, weights});
  }
  /// The next products have no adapters.
  void adapt_none() { runs_.clear(); }

  /// Whether rows of a product with this weight have an adapter. When planning, all rows have one of max_rank.
  bool adapts(const void* weight) const {
    bool any = false;
    for_each(weight, [&](std::ptrdiff_t, std::ptrdiff_t, const low_rank_weight&) { any = true; });
    return any;
  }
  /// Calls use(first row, number of rows, adapter of the weight) for each run of rows with one adapter.
  template <class Use>
  void for_each(const void* weight, Use&& use) const {
    if (plans_) return use(std::ptrdiff_t{0}, ops::every_row, low_rank_weight{weight, nullptr, nullptr, max_rank_});
    for (const run& r : runs_) {
      const auto found =
          std::lower_bound(r.weights.begin(), r.weights.end(), weight,
                           [](const low_rank_weight& l, const void* w) { return ops::is_before(l.weight, w); });
      if (found != r.weights.end() && found->weight == weight) use(r.first, r.count, *found);
    }
  }

  /// Notes a product when planning.
  void note(const multiplied_weight& w) {
    if (plans_) multiplied_.push_back(w);
  }
  std::span<const multiplied_weight> multiplied() const { return multiplied_; }

  /// Repeats the ops of an earlier step of the same shape, if the step has no adapters.
  template <class Shape, class Ops>
  requires replays<typename B::queue, Shape, Ops>
  void replay(const Shape& shape, Ops&& ops) {
    if (runs_.empty())
      B::queue::replay(shape, ops);
    else
      ops();
  }

 private:
  struct run {
    std::ptrdiff_t first, count;
    std::span<const low_rank_weight> weights;
  };

  std::ptrdiff_t max_rank_;
  bool plans_;
  std::vector<run> runs_;
  std::vector<multiplied_weight> multiplied_;
};

/// y[t] += (x[t] · Aᵀ) · Bᵀ in the rows that have an adapter of w.                             x (T, K), y (T, N) f32
template <class B, class X, class W>
void add_low_rank(queue<B>& q, matrix_view<float> y, matrix_view<X> x, const W& w) {
  using element = std::remove_const_t<X>;
  typename B::queue& base = q;
  q.for_each(ops::address_of(w), [&](std::ptrdiff_t first, std::ptrdiff_t count, const low_rank_weight& l) {
    const matrix_view<const element> a(reinterpret_cast<const element*>(l.a),
                                       dynamic_shape<2>(l.rank, w.extent(1))),            // (r, K)
        b(reinterpret_cast<const element*>(l.b), dynamic_shape<2>(w.extent(0), l.rank)),  // (N, r)
        rows = rows_of(x, first, count);                                                  // (n, K)
    arena_scope scope(q.workspace());
    const matrix_view<element> inner = allocate_matrix<element>(q, rows.extent(0), l.rank);  // (n, r)
    matmul(base, inner, rows, a, epilogue<>{});
    matmul(base, rows_of(y, first, count), matrix_view<const element>(inner), b, epilogue<>{{}, update::add});
  });
}

template <class B, class Y, class X, class W, class A>
requires multiplies<typename B::queue, matrix_view<Y>, matrix_view<X>, W, epilogue<A>>
void matmul(queue<B>& q, matrix_view<Y> y, matrix_view<X> x, const W& w, epilogue<A> e) {
  typename B::queue& base = q;
  const void* const weight = ops::address_of(w);
  q.note({weight, w.extent(0), w.extent(1), dtype_of<std::remove_const_t<X>>});
  if (!q.adapts(weight)) return matmul(base, y, x, w, e);
  if constexpr (std::is_same_v<Y, float> && std::is_same_v<A, no_activation>)
    if (e.how != update::multiply) {
      matmul(base, y, x, w, e);
      return add_low_rank(q, y, x, w);
    }
  // The activation and the gate come after the sum of both products.
  arena_scope scope(q.workspace());
  matrix_view<float> sum;  // (T, N)
  if constexpr (std::is_same_v<Y, float>)
    if (e.how == update::assign) sum = y;
  if (!sum.data()) sum = allocate_matrix(q, x.extent(0), w.extent(0));
  matmul(base, sum, x, w, epilogue<>{e.bias});
  add_low_rank(q, sum, x, w);
  activate(base, y, matrix_view<const float>(sum), A{}, e.how);
}

/// One op of B if no weight has an adapter; otherwise, and when planning, a product each.
template <class B, class X, class W>
requires ops::joins_products<typename B::queue, X, W>
void matmul_joined(queue<B>& q, matrix_view<const X> x, std::span<const joined_product<W>> products) {
  typename B::queue& base = q;
  if (std::none_of(products.begin(), products.end(), [&](const auto& p) { return q.adapts(ops::address_of(p.w)); }))
    return matmul_joined(base, x, products);
  for (const joined_product<W>& p : products) matmul(q, p.y, x, p.w, epilogue<>{p.bias});
}
template <class B, class Y, class X, class W, class A>
requires ops::gates_products<typename B::queue, Y, X, W, A>
void matmul_gated(queue<B>& q, matrix_view<Y> y, matrix_view<const X> x, const biased_weight<W>& gate,
                  const biased_weight<W>& up, A act) {
  typename B::queue& base = q;
  if (!q.adapts(ops::address_of(gate.w)) && !q.adapts(ops::address_of(up.w)))
    return matmul_gated(base, y, x, gate, up, act);
  matmul(q, y, x, gate.w, epilogue<A>{gate.bias});
  matmul(q, y, x, up.w, epilogue<>{up.bias, update::multiply});
}

}  // namespace adapted_backend

/// Backend B with live LoRA adapters of at most `max_rank`, for which a step has memory.
template <class B>
struct adapted : B {
  static_assert(ops::has_activate<B>, "llava: adapted<B> needs B's op activate (contract: llava/ops/activate.hpp)");
  static constexpr int default_max_rank = 128;

  adapted(const B& b = {}, int rank = default_max_rank) : B(b), max_rank(rank) {}

  using queue = adapted_backend::queue<B>;
  int max_rank;

  result<void> try_check() const {
    if (max_rank < 1 || max_rank > most_rank)
      return fail(errc::invalid_argument,
                  text_of("llava: max_rank of an adapted backend is ", max_rank, ", expected 1 to ", most_rank));
    if constexpr (requires(const B& b) { b.try_check(); }) return B::try_check();
    return {};
  }

 private:
  static constexpr int most_rank = 1 << 16;
};

LLAVA_END
