// SPDX-License-Identifier: Apache-2.0
/// resize_columns and resize_rows of the CUDA backend (contract: ops/resize.hpp).
///
/// Bytes: an input is read once from memory and K / stretch times from L1, an output written once. A photograph of 12
/// megapixels is 36 MB, 11 µs at 3.35 TB/s (H100) and 7.6 µs at 4.8 TB/s (H200). Its columns to 336 take 3000 · 336 · 3
/// windows of about 48 products: 0.15 G multiply-adds of integers, 9 µs at 16.7 T/s.
///
/// A thread has one byte of the output, lanes have neighbouring ones, so outputs are coalesced, and so are the weights,
/// which are stored by k and then by n. Inputs of the column pass come from L1, where the windows of a block overlap.
/// Everything is integer, so the bytes are those of the CPU.
#pragma once
#include <cstddef>
#include <cstdint>

#include <llava/backend/cuda/device.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/ops/resize.hpp>

LLAVA_CUDA_BEGIN

/// Columns: the windows lie along the rows of x, otherwise along its columns.
template <bool Columns>
struct resize_kernel {
  static constexpr int threads = 256, min_blocks = 4;
  static constexpr bool programmatic_launch = true;
  struct Params {
    std::uint8_t* y;
    std::ptrdiff_t y_stride;
    const std::uint8_t* x;
    std::ptrdiff_t x_stride;
    const std::int32_t* windows;
    std::ptrdiff_t windows_stride;
    int taps, inputs;   // K, and the pixels of x along the windows
    int rows, columns;  // of y, in bytes
    std::int32_t canvas[3];
    int row_blocks;
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {p.rows * p.row_blocks}; }

  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int row = block_index().x / p.row_blocks;
    const int column = block_index().x % p.row_blocks * threads + thread_index();
    wait_for_previous_kernels();
    let_next_kernel_start();
    if (column >= p.columns) return;
    const int channel = column % 3;
    const std::int32_t* const window = p.windows + (Columns ? column / 3 : row);
    const int first = window[0], count = minimum(p.taps, p.inputs - first);
    const std::ptrdiff_t step = Columns ? 3 : p.x_stride;
    const std::uint8_t* x = p.x + first * step + (Columns ? row * p.x_stride + channel : std::ptrdiff_t{column});
    const std::int32_t canvas = channel == 0 ? p.canvas[0] : channel == 1 ? p.canvas[1] : p.canvas[2];
    std::int32_t sum = window[p.windows_stride] * canvas + (1 << 21);
    for (int k = 0; k < count; ++k, x += step) sum += window[(2 + k) * p.windows_stride] * *x;
    p.y[row * p.y_stride + column] = static_cast<std::uint8_t>(minimum(maximum(sum >> 22, 0), 255));
  }
};

namespace detail {
template <bool Columns>
void resize(queue& q, matrix_view<std::uint8_t> y, matrix_view<const std::uint8_t> x,
            matrix_view<const std::int32_t> windows, const ops::rgb_colour& canvas) {
  using kernel = resize_kernel<Columns>;
  const int columns = static_cast<int>(y.extent(1));
  q.launch<kernel>({y.data(),
                    y.stride(),
                    x.data(),
                    x.stride(),
                    windows.data(),
                    windows.stride(),
                    static_cast<int>(windows.extent(0)) - 2,
                    static_cast<int>(Columns ? x.extent(1) / 3 : x.extent(0)),
                    static_cast<int>(y.extent(0)),
                    columns,
                    {canvas[0], canvas[1], canvas[2]},
                    (columns + kernel::threads - 1) / kernel::threads});
}
}  // namespace detail

inline void resize_columns(queue& q, matrix_view<std::uint8_t> y, matrix_view<const std::uint8_t> x,
                           matrix_view<const std::int32_t> windows, ops::rgb_colour canvas) {
  if (q.accepts(ops::resize_columns_shapes(y, x, windows))) detail::resize<true>(q, y, x, windows, canvas);
}
inline void resize_rows(queue& q, matrix_view<std::uint8_t> y, matrix_view<const std::uint8_t> x,
                        matrix_view<const std::int32_t> windows, ops::rgb_colour canvas) {
  if (q.accepts(ops::resize_rows_shapes(y, x, windows))) detail::resize<false>(q, y, x, windows, canvas);
}

LLAVA_CUDA_END
