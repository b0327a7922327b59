// SPDX-License-Identifier: Apache-2.0
/// row_source: the source of a weight's rows: one tensor of a file, or rows computed from several. A weight is filled
/// from these rows, or uses the values in place.
#pragma once
#include <cstdint>
#include <cstring>
#include <string_view>

#include <llava/base/dtype.hpp>
#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Values in host memory, of a type known at run time. They may be unaligned.
struct host_values {
  dtype type = dtype::float32;
  const std::byte* bytes = nullptr;
  std::string_view format{};  ///< the block format of the rows, or empty; if set, `type` has no meaning
};

/// The rows of a matrix, or the elements of a vector as rows of one element.
class row_source {
 public:
  /// All rows, if they are contiguous in host memory; otherwise `bytes` is null.
  virtual host_values in_place() const noexcept { return {}; }
  /// The name of the stored type if it cannot be read as floats; otherwise empty.
  virtual std::string_view unreadable() const noexcept { return {}; }
  /// Writes rows first … first + count − 1 as floats, (count, columns). Several threads call it at once.
  virtual void read(std::int64_t first, std::int64_t count, float* to) const noexcept = 0;

  /// The format that encodes these rows again as the codes that they were read from; empty: none. read_stored() writes
  /// them in it, if it is a tensor format (quant/tensor_format.hpp). stored_row() returns the bytes of row r in it, if
  /// memory holds rows in that format; otherwise null.
  virtual std::string_view coded_as() const noexcept { return {}; }
  virtual void read_stored(std::byte* /*to*/) const noexcept {}
  virtual const std::byte* stored_row(std::int64_t /*r*/) const noexcept { return nullptr; }

 protected:
  ~row_source() = default;
};

/// The rows of one tensor in host memory, `columns` elements each.
class stored_rows final : public row_source {
 public:
  stored_rows(const host_values& values, std::int64_t columns) : values_(values), columns_(columns) {}

  host_values in_place() const noexcept override { return values_; }
  std::string_view unreadable() const noexcept override {
    if (!values_.format.empty()) return values_.format;
    return is_floating(values_.type) ? std::string_view() : name_of(values_.type);
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    const auto n = static_cast<std::size_t>(count * columns_);
    const std::byte* from = values_.bytes + static_cast<std::size_t>(first * columns_) * size_of(values_.type);
    if (values_.type == dtype::float32)
      std::memcpy(to, from, n * sizeof(float));
    else if (values_.type == dtype::float16)
      convert<f16>(from, to, n);
    else
      convert<bf16>(from, to, n);
  }

 private:
  template <class From>
  static void convert(const std::byte* from, float* to, std::size_t n) {
    for (std::size_t i = 0; i < n; ++i) {
      From value;
      std::memcpy(&value, from + i * sizeof(From), sizeof(From));
      to[i] = to_float(value);
    }
  }

  host_values values_;
  std::int64_t columns_;
};

LLAVA_END
