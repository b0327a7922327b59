// SPDX-License-Identifier: Apache-2.0
/// strided_rows: the rows of a tensor whose elements are not contiguous in host memory, such as a transposed matrix.
#pragma once
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// The rows of a tensor of f32, f16 or bf16: element (i, j, …) is i · strides[0] + j · strides[1] + … elements after
/// the first. The memory must outlive it. At least one axis.
class strided_rows final : public row_source {
 public:
  strided_rows(dtype type, const std::byte* first, std::vector<std::int64_t> extents, std::vector<std::int64_t> strides)
      : type_(type), first_(first), extents_(std::move(extents)), strides_(std::move(strides)) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t r = first; r < first + count; ++r) to = read_axes(1, r * strides_[0], to);
  }

 private:
  /// Writes the elements of the axes from `axis` on, starting `at` elements after the first. Returns the end.
  float* read_axes(std::size_t axis, std::int64_t at, float* to) const noexcept {
    if (axis == extents_.size()) {
      stored_rows({type_, first_ + static_cast<std::size_t>(at) * size_of(type_)}, 1).read(0, 1, to);
      return to + 1;
    }
    for (std::int64_t i = 0; i < extents_[axis]; ++i) to = read_axes(axis + 1, at + i * strides_[axis], to);
    return to;
  }

  dtype type_;
  const std::byte* first_;
  std::vector<std::int64_t> extents_, strides_;
};

LLAVA_END
