// SPDX-License-Identifier: Apache-2.0
/// mixed_format: the format is a property of each tensor. A file may mix formats (GGUF's Q4_K_M stores some matrices in
/// 6 bits), so a weight in a mixed format keeps the format of its file, if that is in a list, and takes the first of
/// the list otherwise. A mixed format is a tag F with
///   name       its name in options
///   formats    format_list<A, B, …>: the formats that a tensor may have
/// A product looks once at the format of its weight (ops/matmul.hpp); its inner loops know one format.
#pragma once
#include <cstddef>
#include <string_view>
#include <type_traits>

#include <llava/quant/format.hpp>

LLAVA_BEGIN

/// A list of formats.
template <weight_format... F>
struct format_list {
  static constexpr int size = sizeof...(F);
};

template <class F>
concept mixed_format = requires {
  { F::name } -> std::convertible_to<std::string_view>;
  requires F::formats::size >
  0;
};

/// A matrix (N, K) in one of the formats of F, as backend B multiplies it (nn/mixed_weight.hpp).
template <class B, class F>
struct mixed_view;

/// A mixed format has no bytes of its own.
template <mixed_format F>
struct format<F> {
  static constexpr std::string_view name = F::name;
  static constexpr bool is_dense = false;
  using view = void;
};

LLAVA_END
