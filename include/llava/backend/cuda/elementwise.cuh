// SPDX-License-Identifier: Apache-2.0
/// add, copy, upload and download of the CUDA backend (contract: ops/rows.hpp).
///
/// Bytes: add reads 8 and writes 4 per element, copy reads and writes an element of each type. 640 rows of 4096: add
/// moves 31 MB, 9.4 µs at 3.35 TB/s (H100) and 6.6 µs at 4.8 TB/s (H200).
///
/// A thread has one piece of 4 elements, so the 2048 threads of a multiprocessor keep 32 KB (copy) or 64 KB (add) of
/// loads in flight, more than the 18 KB that hide the latency. Where all rows are contiguous they are one row, so that
/// narrow matrices fill their blocks too.
#pragma once
#include <cstddef>
#include <span>
#include <type_traits>

#include <llava/backend/cuda/pieces.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/rows.hpp>

LLAVA_CUDA_BEGIN

/// y = x, or y += x with Adds.
template <class Y, class X, int Width, bool Adds>
struct elementwise {
  static constexpr int threads = 256, min_blocks = 4;
  static constexpr bool programmatic_launch = true;
  struct Params {
    Y* y;
    const X* x;
    std::ptrdiff_t y_stride, x_stride, rows, columns;
    int row_blocks() const { return static_cast<int>((columns + threads * Width - 1) / (threads * Width)); }
    int blocks = row_blocks();  // of a row
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {static_cast<int>(p.rows * p.blocks)}; }

  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int t = block_index().x / p.blocks;
    const std::ptrdiff_t i = (std::ptrdiff_t{block_index().x % p.blocks} * threads + thread_index()) * Width;
    wait_for_previous_kernels();
    let_next_kernel_start();
    if (i >= p.columns) return;
    Y* const y = p.y + t * p.y_stride + i;
    const X* const x = p.x + t * p.x_stride + i;
    if constexpr (Adds) {
      piece<Width> sum = load_piece<Width>(y);
      const piece<Width> v = load_piece<Width>(x);
      LLAVA_UNROLL
      for (int j = 0; j < Width; ++j) sum.at[j] += v.at[j];
      store_piece<Width>(y, sum);
    } else if constexpr (!std::is_same_v<X, Y>) {
      store_piece<Width>(y, load_piece<Width>(x));
    } else if constexpr (Width == 1) {
      *y = *x;  // every bit of a NaN too
    } else if constexpr (sizeof(X) == 4) {
      store16(y, load16(x));
    } else {
      store8(y, load8(x));
    }
  }
};

namespace detail {
template <bool Adds, class Y, class X, class S>
void run_elementwise(queue& q, view<Y, S> y, view<X, S> x) {
  using value = std::remove_const_t<X>;
  const std::ptrdiff_t all = S::rank == 1 ? 1 : y.extent(0);
  const bool one = y.contiguous() && x.contiguous();
  const std::ptrdiff_t rows = all == 0 ? 0 : one ? 1 : all, columns = rows ? y.size() / rows : 0;
  const matrix_view<Y> to(y.data(), dynamic_shape<2>(rows, columns), one ? columns : y.stride());
  const matrix_view<const value> from(x.data(), dynamic_shape<2>(rows, columns), one ? columns : x.stride());
  with_width(
      [&]<int Width>() {
        q.launch<elementwise<Y, value, Width, Adds>>(
            {to.data(), from.data(), to.stride(), from.stride(), rows, columns});
      },
      to, from);
}
}  // namespace detail

inline void add(queue& q, matrix_view<float> y, matrix_view<const float> x) {
  if (!q.accepts(ops::add_shapes(y, x))) return;
  detail::run_elementwise<true>(q, y, x);
}

template <floating Y, class X, class S>
void copy(queue& q, view<Y, S> y, view<X, S> x) {
  if (!q.accepts(ops::copy_shapes(y, x))) return;
  detail::run_elementwise<false>(q, y, x);
}

template <class T, class S>
void upload(queue& q, view<T, S> to, std::span<const T> from) {
  if (q.accepts(ops::transfer_shapes("upload", to, from.size()))) q.write(to.data(), from.data(), from.size_bytes());
}
template <class T, class S>
void download(queue& q, std::span<T> to, view<const T, S> from) {
  if (q.accepts(ops::transfer_shapes("download", from, to.size()))) q.read(to.data(), from.data(), to.size_bytes());
}
template <class T, class S>
download_ticket start_download(queue& q, std::span<T> to, view<const T, S> from) {
  static_cast<void>(q.accepts(ops::transfer_shapes("download", from, to.size())));
  return q.start_read(to.data(), from.data(), to.size_bytes());
}

LLAVA_CUDA_END
