// SPDX-License-Identifier: Apache-2.0
/// The element types of KV caches that the backends of a program have, and where the elements are.
#pragma once
#include <tuple>

#include "backend/backends.hpp"

/// The elements of results and of the cache.
template <class Result, class Element>
struct kv_types {
  using y = Result;
  using t = Element;
};
#if LLAVA_TEST_ON_CUDA
using llava::fp8_e4m3;
/// Those for which the kernels differ: multiply-add of f32, tensor cores of either type, a cache of 32, 16 and 8 bits.
using all_kv_types =
    std::tuple<kv_types<float, float>, kv_types<llava::bf16, llava::bf16>, kv_types<llava::f16, fp8_e4m3>>;
using two_kv_types = std::tuple<kv_types<float, float>, kv_types<llava::bf16, llava::bf16>>;
using kv_elements = std::tuple<float, llava::f16, llava::bf16, fp8_e4m3>;
/// Element i of a head, within the keys of a layer or within its values.
template <class T>
std::size_t key_at(const llava::cuda_backend::kv_row_view<T>& c, int slot, int head, int i) {
  return static_cast<std::size_t>(
      ((slot / llava::kv_block * c.heads + head) * llava::kv_block + slot % llava::kv_block) * c.row() + i);
}
template <class T>
std::size_t value_at(const llava::cuda_backend::kv_row_view<T>& c, int slot, int head, int i) {
  return key_at(c, slot, head, i);
}
#else
using all_kv_types = std::tuple<kv_types<float, float>, kv_types<float, llava::f16>, kv_types<float, llava::bf16>>;
using two_kv_types = std::tuple<kv_types<float, float>, kv_types<float, llava::f16>>;
using kv_elements = std::tuple<float, llava::f16, llava::bf16>;
template <class T>
std::size_t key_at(const llava::kv_view<T>& c, int slot, int head, int i) {
  return static_cast<std::size_t>(((slot / llava::kv_block * c.heads + head) * c.row() + i) * llava::kv_block +
                                  slot % llava::kv_block);
}
template <class T>
std::size_t value_at(const llava::kv_view<T>& c, int slot, int head, int i) {
  return static_cast<std::size_t>(
      ((slot / llava::kv_block * c.heads + head) * llava::kv_block + slot % llava::kv_block) * c.row() + i);
}
#endif
