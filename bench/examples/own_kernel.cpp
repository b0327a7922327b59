// SPDX-License-Identifier: Apache-2.0
// A kernel of one's own against the library's: a queue that is simd's in everything but the op it replaces, and one line.
//   bench_own_kernel [--threads=N]
#include "../ops/matmul.hpp"

struct mine {
  static constexpr std::string_view name = "mine";
  struct queue : llava::simd::queue {
    using llava::simd::queue::queue;
  };
};

// [kernel]
/// Sums in the order that the contract asks for, four columns at a time so that a row of x is read less often.
inline void matmul(mine::queue& q, llava::matrix_view<float> y, llava::matrix_view<const float> x,
                   llava::matrix_view<const float> w, llava::epilogue<>) {
  q.split(w.extent(0) / 4, 4 * q.concurrency(), [&](std::ptrdiff_t first, std::ptrdiff_t last) {
    for (std::ptrdiff_t n = 4 * first; n < 4 * last; n += 4)
      for (std::ptrdiff_t t = 0; t < x.extent(0); ++t) {
        float sums[4] = {};
        for (std::ptrdiff_t k = 0; k < x.extent(1); ++k)
          for (int i = 0; i < 4; ++i) sums[i] += x(t, k) * w(n + i, k);
        for (int i = 0; i < 4; ++i) y(t, n + i) = sums[i];
      }
  });
}
// [kernel]

int main(int argc, char** argv) {
  return bench::compare<llava::simd, mine>(argc, argv, bench::matmul_case<llava::f32>{16, 1024, 1024});
}
