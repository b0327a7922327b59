// SPDX-License-Identifier: Apache-2.0
/// tensor_source: the named tensors of some files. Their bytes are little-endian and row-major, live as long as the
/// source, and may be misaligned for their type: check before using them in place. A tensor whose values no file holds
/// as they are (another program's quantisation, permuted rows, a base plus a delta) has `rows` instead of bytes.
#pragma once
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/macros.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// A tensor as a file stores it. A matrix in a block format (quant/blocks.hpp) is stored as its rows, (N, bytes of a
/// row) of uint8, and `format` is the name of the format.
struct stored_tensor {
  std::string name;
  dtype type = dtype::float32;  ///< with `rows`: the type that holds their values best
  std::string format;
  std::vector<std::size_t> dims;
  std::span<const std::byte> bytes;
  std::string file;                          ///< for errors
  std::string_view unsupported_type{};       ///< the file's name of a type that dtype lacks; `bytes` is then empty
  std::shared_ptr<const row_source> rows{};  ///< computes the values; `bytes` is then empty
  std::string_view stored_type{};            ///< of rows in a GGUF file: the file's name of their type; otherwise empty
  std::string_view packed_as{};              ///< of rows of GPTQ or AWQ: the form, "gptq, 4 bits"; otherwise empty
  std::size_t stored_bytes = 0;              ///< with `stored_type` or `packed_as`: bytes in the file

  /// Elements of a row: the product of all axes but the first. Of a tensor without elements it has no meaning, because
  /// the other axes may have any extents there.
  std::int64_t columns() const {
    std::size_t n = 1;
    for (std::size_t i = 1; i < dims.size(); ++i) n *= dims[i];
    return static_cast<std::int64_t>(n);
  }
  /// Returns use(the tensor's rows), `columns` elements each.
  template <class Use>
  decltype(auto) with_rows(std::int64_t columns, Use&& use) const {
    if (rows) return use(*rows);
    const stored_rows in_file({type, bytes.data(), format}, columns);
    return use(static_cast<const row_source&>(in_file));
  }
};

/// The tensors of a file by name.
using tensor_map = std::map<std::string, stored_tensor, std::less<>>;

/// The tensor with this name; null when there is none.
inline const stored_tensor* find_in(const tensor_map& tensors, std::string_view name) {
  const auto found = tensors.find(name);
  return found == tensors.end() ? nullptr : &found->second;
}

namespace detail {
/// "(4096, 1024)"
template <class Extents>
std::string text_of_dims(const Extents& extents, std::size_t rank) {
  std::string s = "(";
  for (std::size_t i = 0; i < rank; ++i) s += (i ? ", " : "") + std::to_string(extents[i]);
  return s + ")";
}
}  // namespace detail

/// Files that hold tensors, under their names in the files.
class tensor_source {
 public:
  virtual ~tensor_source() = default;

  /// The tensor with this name; null when there is none.
  virtual const stored_tensor* find(std::string_view name) const = 0;
  virtual void for_each(function_ref<void(const stored_tensor&)> visit) const = 0;
  /// A text that changes when the files are rewritten with other weights.
  virtual std::string identity() const = 0;
  /// Gives back the memory of the parts of the files that were read, where they are mapped. For tools that read all of
  /// a large model once.
  virtual void forget_pages() const {}

 protected:
  tensor_source() = default;
  tensor_source(const tensor_source&) = default;
  tensor_source& operator=(const tensor_source&) = default;
};

LLAVA_END
