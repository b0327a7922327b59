// SPDX-License-Identifier: Apache-2.0
/// weight_slot: the interface to fill a weight of a model. It separates checkpoint readers from stages: neither knows
/// the other's types, and the code that fills slots is compiled once for all types.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/dtype.hpp>
#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/tensor/buffer.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// The expected shape of a stored tensor, with at most four axes.
struct tensor_dims {
  std::array<std::int64_t, 4> extent{};
  int rank = 0;

  constexpr tensor_dims(std::initializer_list<std::int64_t> list) {
    for (std::int64_t e : list) extent[static_cast<std::size_t>(rank++)] = e;
  }
  constexpr std::int64_t rows() const { return extent[0]; }
  constexpr std::int64_t columns() const {
    std::int64_t n = 1;
    for (int i = 1; i < rank; ++i) n *= extent[static_cast<std::size_t>(i)];
    return n;
  }
  constexpr std::int64_t size() const { return rows() * columns(); }
};

/// The form of a weight's rows in a file. By default the values stay as they are.
struct row_encoding {
  dtype type = dtype::float32;
  std::string_view format{};                                                 ///< the block format; empty: none
  std::int64_t (*bytes)(std::int64_t columns) = nullptr;                     ///< of a row; null: unknown
  void (*encode)(const float* x, std::int64_t n, std::byte* row) = nullptr;  ///< n floats to a row; null: unchanged

  std::int64_t row_bytes(std::int64_t columns) const { return bytes ? bytes(columns) : 0; }
};

/// The form of rows of floats of type F.
template <floating F>
row_encoding dense_encoding() {
  return {dtype_of<F>,
          {},
          [](std::int64_t columns) { return columns * std::int64_t{sizeof(F)}; },
          [](const float* x, std::int64_t n, std::byte* row) {
            for (std::int64_t i = 0; i < n; ++i) reinterpret_cast<F*>(row)[i] = from_float<F>(x[i]);
          }};
}

/// A weight that is filled once. Functions for block formats have the defaults of dense weights here.
class weight_slot {
 public:
  /// Takes the format of these rows, if the slot has several (quant/any_of.hpp). Comes before all other calls.
  virtual void choose(const row_source& /*from*/) {}
  /// Copies the values of a tensor to `to`, the backend's memory, and converts them on `threads` if necessary. Values
  /// that are used in place must stay alive and unchanged. Errors name the tensor.
  virtual result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name,
                                const memory& to, executor* threads = nullptr) = 0;
  /// Bytes that try_fill would allocate for these values.
  virtual std::size_t bytes_needed(const row_source& from, const tensor_dims& dims) const = 0;

  /// Whether values stored in the block format of that name can fill it; "" means no block format.
  virtual bool accepts(std::string_view stored_format) const { return stored_format.empty(); }
  /// The form of its rows in a file.
  virtual row_encoding encoding() const { return {}; }

  /// @name The matrix in a backend's own layout, for packed files
  /// packed_layout() names the layout, and packed() returns the bytes. map() uses such bytes in a mapped file, which
  /// must stay alive and unchanged; can_map() tells whether it can.
  /// @{
  virtual std::string packed_layout() const { return {}; }
  virtual bool can_map(std::span<const std::byte> /*packed*/, const tensor_dims&) const { return false; }
  virtual void map(std::span<const std::byte> /*packed*/, const tensor_dims&) {}
  virtual std::span<const std::byte> packed() const { return {}; }
  /// @}

 protected:
  weight_slot() = default;
  weight_slot(const weight_slot&) = default;
  weight_slot& operator=(const weight_slot&) = default;
  ~weight_slot() = default;
};

namespace detail {
/// A visitor of weights, for concepts: visit(name, slot, dims).
struct any_visitor {
  template <class Slot>
  void operator()(auto&&, Slot&, const tensor_dims&) const {}
};
}  // namespace detail

LLAVA_END
