// SPDX-License-Identifier: Apache-2.0
/// product_end: what happens to a sum before it is stored (ops/matmul.hpp): scale, bias, activation, update, rounding
/// to the type of y. The activations of ops/activation.hpp and the type of y are chosen at run time, once per element,
/// so that a kernel exists once for all of them: it reads weights for microseconds and stores for nanoseconds. A
/// program's own activation gives each kernel another instance.
#pragma once
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include <llava/backend/cuda/kernel.cuh>
#include <llava/base/dtype.hpp>
#include <llava/ops/activation.hpp>
#include <llava/ops/matmul.hpp>

LLAVA_CUDA_BEGIN

/// N as an extent of an array, which g++ wants without a sign.
template <int N>
inline constexpr std::size_t extent = static_cast<std::size_t>(N);

/// One of the activations of ops/activation.hpp.
struct library_activation {
  enum class kind : std::int32_t { none, quick_gelu, gelu, gelu_tanh, silu, other };
  kind is;

  LLAVA_DEVICE float apply(float z) const {
    switch (is) {
      case kind::quick_gelu:
        return llava::quick_gelu::apply(z);
      case kind::gelu:
        return llava::gelu::apply(z);
      case kind::gelu_tanh:
        return llava::gelu_tanh::apply(z);
      case kind::silu:
        return llava::silu::apply(z);
      default:
        return z;
    }
  }
};
/// An activation that this library does not have.
template <class A>
struct own_activation {
  LLAVA_DEVICE float apply(float z) const { return A::apply(z); }
};

template <class A>
inline constexpr library_activation::kind kind_of_activation =
    std::is_same_v<A, no_activation> ? library_activation::kind::none
    : std::is_same_v<A, quick_gelu>  ? library_activation::kind::quick_gelu
    : std::is_same_v<A, gelu>        ? library_activation::kind::gelu
    : std::is_same_v<A, gelu_tanh>   ? library_activation::kind::gelu_tanh
    : std::is_same_v<A, silu>        ? library_activation::kind::silu
                                     : library_activation::kind::other;
template <class A>
using activation_of =
    std::conditional_t<kind_of_activation<A> == library_activation::kind::other, own_activation<A>, library_activation>;

/// The end of a product with activation A, an activation_of<…>.
template <class A>
struct product_end {
  void* y;                // (T, N)
  std::ptrdiff_t stride;  // of y, in elements
  const float* bias;      // (N), or null
  int rows, columns;      // T, N
  dtype type;             // of y
  update how;
  bool by_four;  // four elements of y that begin at a multiple of 4 are 16 aligned bytes
  A activation;

  /// Stores an element: y =, += or *= act(sum · scale + bias).
  LLAVA_DEVICE void store(int t, int n, float sum, float scale = 1.f) const {
    const float made = activation.apply(fused_multiply_add(sum, scale, bias != nullptr ? bias[n] : 0.f));
    const std::ptrdiff_t at = t * stride + n;
    if (type == dtype::float32)
      write(static_cast<float*>(y) + at, made);
    else if (type == dtype::float16)
      write(static_cast<f16*>(y) + at, made);
    else
      write(static_cast<bf16*>(y) + at, made);
  }
  /// Stores the elements of row t from column n, a multiple of 4, that y has: at most four.
  LLAVA_DEVICE void store_four(int t, int n, const float (&sum)[4], float scale = 1.f) const {
    if (t >= rows) return;
    if (by_four && n + 4 <= columns) {
      float made[4];
      LLAVA_UNROLL
      for (int i = 0; i < 4; ++i) made[i] = fused_multiply_add(sum[i], scale, bias != nullptr ? bias[n + i] : 0.f);
      if constexpr (std::is_same_v<A, library_activation>) {
        if (activation.is != library_activation::kind::none)
          for (float& v : made) v = activation.apply(v);
      } else {
        for (float& v : made) v = activation.apply(v);
      }
      float* const to = static_cast<float*>(y) + (t * stride + n);
      if (how != update::assign) {
        const vec16 old = load16(to);
        LLAVA_UNROLL
        for (int i = 0; i < 4; ++i) made[i] = ops::updated(float_of(old.word[i]), made[i], how);
      }
      store16(to, {{bits_of(made[0]), bits_of(made[1]), bits_of(made[2]), bits_of(made[3])}});
    } else {
      for (int i = 0; i < 4; ++i)
        if (n + i < columns) store(t, n + i, sum[i], scale);
    }
  }

 private:
  template <class T>
  LLAVA_DEVICE void write(T* to, float made) const {
    *to = from_f32<T>(how == update::assign ? made : ops::updated(to_f32(*to), made, how));
  }
};

/// The end of `count` columns from column n on.
template <class A>
product_end<A> from_column(product_end<A> end, std::ptrdiff_t n, std::ptrdiff_t count) {
  end.y = static_cast<std::byte*>(end.y) + n * static_cast<std::ptrdiff_t>(size_of(end.type));
  if (end.bias != nullptr) end.bias += n;
  end.columns = static_cast<int>(count);
  return end;
}
/// The end of `count` rows from row t on.
template <class A>
product_end<A> from_row(product_end<A> end, std::ptrdiff_t t, std::ptrdiff_t count) {
  end.y = static_cast<std::byte*>(end.y) + t * end.stride * static_cast<std::ptrdiff_t>(size_of(end.type));
  end.rows = static_cast<int>(count);
  return end;
}

/// The end of a product that writes y.
template <class A, class Y>
product_end<activation_of<A>> make_end(const matrix_view<Y>& y, const epilogue<A>& e) {
  activation_of<A> activation{};
  if constexpr (std::is_same_v<activation_of<A>, library_activation>) activation.is = kind_of_activation<A>;
  const bool by_four =
      std::is_same_v<Y, float> && reinterpret_cast<std::uintptr_t>(y.data()) % 16 == 0 && y.stride() % 4 == 0;
  return {y.data(),
          y.stride(),
          e.bias.empty() ? nullptr : e.bias.data(),
          static_cast<int>(y.extent(0)),
          static_cast<int>(y.extent(1)),
          dtype_of<Y>,
          e.how,
          by_four,
          activation};
}

/// activate(): y =, += or *= A(z). It reads and writes each element once: 8 or 12 bytes, no more than 60 operations.
template <class A>
struct activate_rows {
  static constexpr int threads = 256, min_blocks = 4, columns_of_block = 4 * threads;
  struct Params {
    const float* z;  // (T, N)
    std::ptrdiff_t stride;
    product_end<A> end;
  };
  using Smem = no_shared_memory;
  LLAVA_HOST_DEVICE static int blocks_of_row(const Params& p) {
    return (p.end.columns + columns_of_block - 1) / columns_of_block;
  }
  static grid_size grid(const Params& p) { return {blocks_of_row(p) * p.end.rows}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int blocks = blocks_of_row(p), t = block_index().x / blocks,
              first = block_index().x % blocks * columns_of_block;
    for (int n = first + thread_index(); n < first + columns_of_block && n < p.end.columns; n += threads)
      p.end.store(t, n, p.z[t * p.stride + n]);
  }
};

LLAVA_CUDA_END
