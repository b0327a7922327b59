// SPDX-License-Identifier: Apache-2.0
/// repacked<T>: the numbers of f32, f16 or bf16 weights in the order in which a backend's products read them, instead of where
/// their file is mapped. Every product has the same bytes as with T. What it costs is a copy of the weights, made at load or
/// mapped from open_options::packed_file; what it saves is taking rows apart for each token: decode reads memory and no more.
///
/// A backend without an order of its own (scalar) uses rows as they are stored, where they are mapped.
#pragma once
#include <cstring>

#include <llava/quant/layout.hpp>

LLAVA_BEGIN

/// T in the backend's own order.
template <floating T>
struct repacked {
  static constexpr std::string_view name = std::is_same_v<T, f32>   ? "f32_repacked"
                                           : std::is_same_v<T, f16> ? "f16_repacked"
                                                                    : "bf16_repacked";
  /// n floats become a stored row, n elements without alignment.
  static void encode(const float* x, std::ptrdiff_t n, std::byte* row) {
    for (std::ptrdiff_t i = 0; i < n; ++i)
      write_number(row + i * static_cast<std::ptrdiff_t>(sizeof(T)), from_float<T>(x[i]));
  }
};

/// @name As formats are called on a command line
/// @{
using f32_repacked = repacked<f32>;
using f16_repacked = repacked<f16>;
using bf16_repacked = repacked<bf16>;
/// @}

template <floating T>
struct format<repacked<T>> : format<T> {
  static constexpr std::string_view name = repacked<T>::name;
};

/// The language model and its head are repacked: a token reads all of them. A picture's 577 rows share the taking apart, and
/// rows of embeddings are looked up.
template <floating T>
struct weights<repacked<T>> : weights<T> {
  using text = repacked<T>;
  using head = repacked<T>;
};

LLAVA_END
