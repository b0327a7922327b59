// SPDX-License-Identifier: Apache-2.0
// Custom kernels against the library's. The queue inherits every op of simd except those it replaces; main is one line.
//   bench_own_kernel [--threads=N]
//   bench/compare --subjects simd mine build/release/bench/bench_own_kernel
#include "../ops/matmul.hpp"
#include "../ops/norm.hpp"

// [backend]
/// simd, except for the ops that are overloaded for its queue.
struct mine : llava::simd {
  static constexpr std::string_view name = "mine";
  struct queue : llava::simd::queue {
    using llava::simd::queue::queue;
  };
};
// [backend]

// [kernel]
/// Sums in the order of the op's contract. Computes four columns at a time, so that a row of x is read less often.
inline void matmul(mine::queue& q, llava::matrix_view<float> y, llava::matrix_view<const float> x,
                   llava::matrix_view<const float> w, llava::epilogue<> e) {
  if (!q.accepts(llava::ops::matmul_shapes(y, x, w, e))) return;
  q.submit([&](llava::workers on) {
    const std::ptrdiff_t columns = w.extent(0), runs = (columns + 3) / 4;
    on.split(runs, 4 * on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      for (std::ptrdiff_t n = 4 * first; n < 4 * last; n += 4)
        for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
          float sums[4] = {};
          for (std::ptrdiff_t k = 0; k < x.extent(1); ++k)
            for (int i = 0; i < 4; ++i) sums[i] += x(t, k) * w(n + i < columns ? n + i : n, k);
          for (int i = 0; i < 4 && n + i < columns; ++i) {
            const float sum = e.bias.empty() ? sums[i] : sums[i] + e.bias(n + i);
            y(t, n + i) = llava::ops::updated(y(t, n + i), sum, e.how);
          }
        }
    });
  });
}
// [kernel]

/// Sums in double, a row on one thread.
inline void rms_norm(mine::queue& q, llava::matrix_view<float> y, llava::matrix_view<const float> x,
                     llava::vector_view<const float> w, float eps) {
  if (!q.accepts(llava::ops::rms_norm_shapes(y, x, w))) return;
  q.submit([&](llava::workers on) {
    on.split(x.extent(0), on.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      const std::ptrdiff_t width = x.extent(1);
      for (std::ptrdiff_t t = first; t < last; ++t) {
        double squares = 0;
        for (std::ptrdiff_t i = 0; i < width; ++i)
          squares += static_cast<double>(x(t, i)) * static_cast<double>(x(t, i));
        const auto scale =
            static_cast<float>(1 / std::sqrt(squares / static_cast<double>(width) + static_cast<double>(eps)));
        for (std::ptrdiff_t i = 0; i < width; ++i) y(t, i) = x(t, i) * scale * w(i);
      }
    });
  });
}

int main(int argc, char** argv) {
  return bench::compare<llava::simd, mine>(argc, argv, bench::matmul_case<llava::f32>{16, 1024, 1024},
                                           bench::norm_case<false>{16, 4096});
}
