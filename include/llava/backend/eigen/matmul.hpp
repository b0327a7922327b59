// SPDX-License-Identifier: Apache-2.0
/// matmul of the eigen backend (contract: ops/matmul.hpp, except the order of addition): Eigen's product of maps.
/// 16-bit weights are converted to f32, a block of columns at a time. Eigen chooses its order of addition by the sizes
/// of the product and by the instruction set that the program is compiled for, so a row may depend on the other rows.
///
/// Eigen allocates its own scratch memory on the heap. In a program compiled with OpenMP, Eigen would start its own
/// threads inside each of the queue's and be ten times slower. matmul prevents this, unless the program has called
/// Eigen::setNbThreads().
#pragma once
#include <llava/backend/eigen/bridge.hpp>
#include <llava/backend/eigen/queue.hpp>
#include <llava/ops/matmul.hpp>

LLAVA_BEGIN

namespace eigen_backend {

/// Number of columns per product: enough for Eigen's blocks, few enough that converted weights stay small.
inline constexpr std::ptrdiff_t block_columns = 256;

/// While an object of this class lives, Eigen's products run on the calling thread alone.
class own_thread_only {
#if defined(EIGEN_HAS_OPENMP)
 public:
  own_thread_only() { omp_set_num_threads(1); }  // for this thread
  own_thread_only(const own_thread_only&) = delete;
  own_thread_only& operator=(const own_thread_only&) = delete;
  ~own_thread_only() { omp_set_num_threads(before_); }

 private:
  int before_ = omp_get_max_threads();
#endif
};

template <floating F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const F> w, epilogue<A> e) {
  if (!q.accepts(ops::matmul_shapes(y, x, w, e))) return;
  constexpr bool converts = !std::is_same_v<F, float>;
  const std::ptrdiff_t rows = x.extent(0), inner = x.extent(1), columns = w.extent(0);
  const std::ptrdiff_t blocks = (columns + block_columns - 1) / block_columns;
  const std::ptrdiff_t pieces = blocks < q.concurrency() ? blocks : q.concurrency();
  arena_scope scope(q.workspace());
  float* converted = q.workspace().template allocate<float>(converts ? pieces * block_columns * inner : 0);
  float* sums = q.workspace().template allocate<float>(e.how != update::assign ? pieces * block_columns * rows : 0);
  q.submit([&](workers on) {
    on.split(pieces, pieces, [&](std::ptrdiff_t piece, std::ptrdiff_t) {
      [[maybe_unused]] const own_thread_only here;
      for (std::ptrdiff_t b = blocks * piece / pieces; b < blocks * (piece + 1) / pieces; ++b) {
        const std::ptrdiff_t first = b * block_columns, left = columns - first;
        const std::ptrdiff_t n = left < block_columns ? left : block_columns;
        const matrix_view<const F> part = rows_of(w, first, n);                                          // (n, K)
        const matrix_view<float> out(y.data() + first, dynamic_shape<2>(rows, n), y.stride());           // (T, n)
        const matrix_view<float> aside(sums + piece * block_columns * rows, dynamic_shape<2>(rows, n));  // (T, n)
        const matrix_view<float> sum = e.how != update::assign ? aside : out;
        if constexpr (converts) {
          const matrix_view<float> f32s(converted + piece * block_columns * inner, dynamic_shape<2>(n, inner));
          for (std::ptrdiff_t i = 0; i < n; ++i)
            for (std::ptrdiff_t k = 0; k < inner; ++k) f32s(i, k) = to_float(part(i, k));
          as_map(sum).noalias() = as_map(x) * as_map(f32s).transpose();
        } else {
          as_map(sum).noalias() = as_map(x) * as_map(part).transpose();
        }
        for (std::ptrdiff_t t = 0; t < rows; ++t)
          for (std::ptrdiff_t i = 0; i < n; ++i) {
            const float made = A::apply(e.bias.empty() ? sum(t, i) : sum(t, i) + e.bias(first + i));
            out(t, i) = ops::updated(out(t, i), made, e.how);
          }
      }
    });
  });
}

/// w in a mixed format.
template <class B, class F, class A>
void matmul(queue& q, matrix_view<float> y, matrix_view<const float> x, const mixed_view<B, F>& w, epilogue<A> e) {
  w.visit([&](const auto& own) { matmul(q, y, x, own, e); });
}

}  // namespace eigen_backend

LLAVA_END
