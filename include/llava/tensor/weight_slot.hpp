// SPDX-License-Identifier: Apache-2.0
/// weight_slot: a weight of a model in the making, seen by whoever fills it. What reads checkpoints and what computes
/// meet here: neither knows the other's types, and code that fills slots is compiled once, whatever they are slots of.
#pragma once
#include <array>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/tensor/buffer.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// The shape of a tensor as its file states it, at most four axes: what is expected, in errors and when loading.
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

/// A weight that is filled once. What only block formats do is answered here as dense weights answer it.
class weight_slot {
 public:
  /// Takes the values of a tensor into `to`, the backend's memory, converted on `threads` where they must be. Where
  /// they are used in place the caller keeps them alive and unchanged. Errors name the tensor.
  virtual result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name,
                                const memory& to, executor* threads = nullptr) = 0;
  /// Memory that try_fill would take for these values.
  virtual std::size_t bytes_needed(const row_source& from, const tensor_dims& dims) const = 0;

  /// Whether values stored in a block format of that name can fill it; "" is no block format.
  virtual bool takes(std::string_view stored_format) const { return stored_format.empty(); }
  /// Bytes of a row that is stored in the block format that it takes.
  virtual std::int64_t stored_row_bytes(std::int64_t /*columns*/) const { return 0; }

  /// @name The matrix as a backend lays it out its own way
  /// For a file that keeps it: the layout's name, its bytes, and the use of such bytes where they are mapped, which the
  /// caller keeps alive and unchanged. False when they are not of the size of the matrix.
  /// @{
  virtual std::string packed_layout() const { return {}; }
  virtual bool try_map(std::span<const std::byte> /*packed*/, const tensor_dims&) { return false; }
  virtual std::span<const std::byte> packed() const { return {}; }
  /// @}

 protected:
  weight_slot() = default;
  weight_slot(const weight_slot&) = default;
  weight_slot& operator=(const weight_slot&) = default;
  ~weight_slot() = default;
};

LLAVA_END
