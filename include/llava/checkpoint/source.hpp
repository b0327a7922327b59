// SPDX-License-Identifier: Apache-2.0
/// checkpoint_source: something that holds named tensors. Their bytes are little-endian, row-major, alive as long as
/// the source, and not always aligned for their type: who uses them in place looks first.
#pragma once
#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A tensor as a file holds it. A matrix in a block format (quant/blocks.hpp) is stored as its rows, (N, bytes of a
/// row) of uint8, and `format` is the name of the format.
struct stored_tensor {
  std::string name;
  dtype type = dtype::float32;
  std::string format;
  std::vector<std::size_t> dims;
  std::span<const std::byte> bytes;
  std::string file;                 ///< for errors
  std::string_view foreign_type{};  ///< of a type that dtype does not have: its name in the file, and no bytes
};

namespace detail {
struct tensor_visitor {
  void operator()(const stored_tensor&) const {}
};
}  // namespace detail

template <class S>
concept checkpoint_source = requires(const S& s, std::string_view name) {
  { s.find(name) } -> std::same_as<const stored_tensor*>;
  s.for_each(detail::tensor_visitor{});
};

LLAVA_END
