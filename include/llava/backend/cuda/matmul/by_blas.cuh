// SPDX-License-Identifier: Apache-2.0
/// product_by_blas: a product of many rows by the library of a queue (blas.cuh).
///
/// | y | bias | activation | update | the library | then |
/// |---|---|---|---|---|---|
/// | f32 | any | none | assign, add | y | nothing |
/// | f16, bf16 | none | none | assign, add | y | nothing |
/// | f32 | any | one | assign | its sums into y | activate_rows |
/// | other | | | | its sums into scratch memory, 4 T N bytes | activate_rows |
///
/// So of a layer of LLaMA the products q, k, v, o and down are one launch each, gate and up two. Of a layer of the
/// tower only the first of the MLP is two. Products with one x (ops/joined.hpp) are computed one by one, as by
/// tensor_tiles; rope, the KV cache and attention follow as they do on cuda.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <llava/backend/cuda/matmul/end.cuh>
#include <llava/backend/cuda/matmul/parts.cuh>
#include <llava/backend/cuda/queue.cuh>

LLAVA_CUDA_BEGIN

namespace detail {
/// The most rows of a product that reads weights for each of them.
inline constexpr int most_few_rows = 16;

/// Queues a product. False, with nothing queued, if it is not for the queue's library: there is none, the rows are few,
/// rows overlap, or the library has no algorithm.
template <class F, class A>
bool product_by_blas(queue& q, matrix_view<const F> x, const typename product_parts<F, A>::product& of) {
  const product_end<A>& end = of.end;
  const auto inner = static_cast<int>(x.extent(1));
  if (q.blas() == nullptr || q.is_deterministic() || end.rows <= most_few_rows || end.columns == 0 || inner == 0 ||
      x.stride() < inner || of.stride < inner || end.stride < end.columns)
    return false;
  bool has_activation = true;
  if constexpr (std::is_same_v<A, library_activation>)
    has_activation = end.activation.is != library_activation::kind::none;
  const bool is_f32 = end.type == dtype::float32;
  const bool ends = !has_activation && end.how != update::multiply && (is_f32 || end.bias == nullptr);

  arena_scope scope(q.workspace());
  blas_product p{x.data(),
                 of.w,
                 end.y,
                 ends ? end.bias : nullptr,
                 x.stride(),
                 of.stride,
                 end.stride,
                 end.rows,
                 end.columns,
                 inner,
                 dtype_of<F>,
                 end.type,
                 end.how == update::add};
  if (!ends) {
    p.adds = false, p.result_type = dtype::float32;
    if (!is_f32 || end.how != update::assign) {
      p.y = q.workspace().allocate<float>(std::ptrdiff_t{end.rows} * end.columns);
      p.y_stride = end.columns;
    }
  }
  constexpr std::uintptr_t alignment = 256;
  auto at = reinterpret_cast<std::uintptr_t>(q.workspace().allocate<std::byte>(blas::workspace_bytes + alignment));
  at = (at + alignment - 1) / alignment * alignment;
  if (!q.multiply(p, reinterpret_cast<void*>(at))) return false;
  if (!ends) q.launch<activate_rows<A>>({static_cast<const float*>(p.y), p.y_stride, end});
  return true;
}
}  // namespace detail

LLAVA_CUDA_END
