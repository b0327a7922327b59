// SPDX-License-Identifier: Apache-2.0
/// The KV cache on the device (contract: ops/kv_layout.hpp). Keys and values are rows of one token and one head, so
/// that a thread loads 16 bytes of one row:
///
///   key of slot s, head h: keys + ((s / 16 · KV + h) · 16 + s % 16) · row     blocks of (KV, 16, row); values likewise
///
/// with row = d, rounded up to a multiple of 16 bytes. store_kv fills the elements after d with zeros.
#pragma once
#include <array>
#include <cstddef>

#include <llava/backend/cuda/device/convert.cuh>
#include <llava/ops/kv_layout.hpp>

LLAVA_CUDA_BEGIN

/// One layer of the block pool.
template <class T>
struct kv_row_view {
  T* keys = nullptr;
  T* values = nullptr;
  int heads = 0;  // KV
  int dim = 0;    // d

  /// Elements from one row to the next.
  LLAVA_HOST_DEVICE int row() const {
    constexpr int in16 = 16 / static_cast<int>(sizeof(T));
    return (dim + in16 - 1) / in16 * in16;
  }
};

/// All keys of a layer, then all values.
template <kv_element T>
struct kv_layout {
  using view = kv_row_view<T>;

  static std::size_t layer_bytes(int heads, int dim, int blocks) { return 2 * half(heads, dim, blocks) * sizeof(T); }
  static view make_view(std::byte* layer, int heads, int dim, int blocks) {
    T* const keys = reinterpret_cast<T*>(layer);
    return {keys, keys + half(heads, dim, blocks), heads, dim};
  }
  static std::array<vector_view<T>, 2> parts_of(const view& layer, int block) {
    const auto size = static_cast<std::ptrdiff_t>(half(layer.heads, layer.dim, 1));
    const dynamic_shape<1> extents(static_cast<int>(size));
    return {vector_view<T>(layer.keys + block * size, extents), vector_view<T>(layer.values + block * size, extents)};
  }

 private:
  static std::size_t half(int heads, int dim, int blocks) {
    const int row = view{nullptr, nullptr, heads, dim}.row();
    return std::size_t{static_cast<unsigned>(heads)} * static_cast<unsigned>(row) * kv_block *
           static_cast<unsigned>(blocks);
  }
};

LLAVA_CUDA_END
