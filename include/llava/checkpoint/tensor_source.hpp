// SPDX-License-Identifier: Apache-2.0
/// tensor_source: the named tensors of some files. Their bytes are little-endian, row-major, alive as long as the
/// source, and not always aligned for their type: who uses them in place looks first.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/function_ref.hpp>
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

/// Files that hold tensors, under the names that they have there.
class tensor_source {
 public:
  virtual ~tensor_source() = default;

  /// Null: there is none of that name.
  virtual const stored_tensor* find(std::string_view name) const = 0;
  virtual void for_each(function_ref<void(const stored_tensor&)> visit) const = 0;
  /// Another text when the files were written anew with other weights.
  virtual std::string identity() const = 0;

 protected:
  tensor_source() = default;
  tensor_source(const tensor_source&) = default;
  tensor_source& operator=(const tensor_source&) = default;
};

LLAVA_END
