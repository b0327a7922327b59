// SPDX-License-Identifier: Apache-2.0
/// The KV cache on the device (contract: ops/kv_layout.hpp). Keys and values are rows of one token and one head, so
/// that a thread loads 16 bytes of one row:
///
///   key of slot s, head h: keys + ((s / 16 · KV + h) · 16 + s % 16) · row     blocks of (KV, 16, row); values likewise
///
/// with row = d, rounded up to a multiple of 16 bytes. store_kv fills the elements after d with zeros.
#pragma once
#include <type_traits>

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
  LLAVA_HOST_DEVICE constexpr int row() const {
    constexpr int in16 = 16 / static_cast<int>(sizeof(T));
    return (dim + in16 - 1) / in16 * in16;
  }
};

template <kv_element T>
using kv_layout = block_kv_layout<T, kv_row_view<T>>;

LLAVA_CUDA_END
