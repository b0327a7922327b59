// SPDX-License-Identifier: Apache-2.0
/// Where the numbers of a model live: weight<B, F> is a matrix in format F, parameter<B> an f32 vector (norms, biases,
/// positions). Both begin empty and are filled once. A weight whose stored type is F is used where the file is mapped,
/// when the backend can read there; otherwise it is converted into the backend's memory, a piece at a time.
#pragma once
#include <array>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/quant/format.hpp>
#include <llava/tensor/view.hpp>

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

/// Values in the program's memory, of a type known at run time, perhaps not aligned for it.
struct host_values {
  dtype type = dtype::float32;
  const std::byte* bytes = nullptr;
  std::string_view format{};  ///< the block format of the rows, if they are in one; `type` says nothing then
};

namespace detail {
template <class From, class To>
void convert(const std::byte* from, To* to, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    From value;
    std::memcpy(&value, from + i * sizeof(From), sizeof(From));
    to[i] = from_float<To>(to_float(value));
  }
}
template <class To>
bool convert(host_values from, std::size_t first, To* to, std::size_t n) {
  const std::byte* bytes = from.bytes + first * size_of(from.type);
  switch (from.type) {
    case dtype::float32:
      convert<f32>(bytes, to, n);
      return true;
    case dtype::float16:
      convert<f16>(bytes, to, n);
      return true;
    case dtype::bfloat16:
      convert<bf16>(bytes, to, n);
      return true;
    default:
      return false;
  }
}

/// Converts `count` values into a new buffer of the backend.
template <class Buffer, class To>
result<Buffer> converted(host_values from, std::size_t count, std::string_view name) {
  LLAVA_TRY(buffer, Buffer::try_make(count * sizeof(To), name));
  constexpr std::size_t piece = std::size_t{1} << 16;
  std::vector<To> staging(count < piece ? count : piece);
  for (std::size_t at = 0; at < count; at += piece) {
    const std::size_t n = count - at < piece ? count - at : piece;
    if (!convert(from, at, staging.data(), n))
      return fail(errc::unsupported,
                  text_of("llava: ", name, " is stored as ", name_of(from.type), "; weights must be f32, f16 or bf16"));
    buffer.load(at * sizeof(To), reinterpret_cast<const std::byte*>(staging.data()), n * sizeof(To));
  }
  return result<Buffer>(std::move(buffer));
}
}  // namespace detail

/// A matrix of format F in a backend's memory, or where its file is mapped. Block formats: nn/block_weight.hpp.
template <class B, class F>
class weight {
 public:
  /// Whether values stored in a block format of that name can fill it; "" is no block format.
  static bool takes(std::string_view stored_format) { return stored_format.empty(); }
  /// Bytes of a row that is stored in such a format.
  static std::int64_t stored_row_bytes(std::int64_t) { return 0; }

  /// Takes the values of a tensor. When they are used in place the caller keeps them alive and unchanged.
  result<void> try_fill(host_values from, const tensor_dims& dims, std::string_view name, executor* = nullptr) {
    const dynamic_shape<2> extents(dims.rows(), dims.columns());
    const bool aligned = reinterpret_cast<std::uintptr_t>(from.bytes) % alignof(F) == 0;
    if (B::reads_host_memory && from.type == dtype_of<F> && aligned) {
      view_ = {reinterpret_cast<const F*>(from.bytes), extents};
      return {};
    }
    LLAVA_TRY(buffer, detail::converted<typename B::buffer, F>(from, static_cast<std::size_t>(dims.size()), name));
    owned_ = std::move(buffer);
    view_ = {reinterpret_cast<const F*>(owned_.data()), extents};
    return {};
  }

  typename format<F>::view view() const { return view_; }  // (N, K)

  /// @name Weights that a backend lays out its own way: not dense ones, which have one layout
  /// @{
  static std::string packed_layout() { return {}; }
  bool try_map(std::span<const std::byte>, const tensor_dims&) { return false; }
  std::span<const std::byte> packed() const { return {}; }
  /// @}

  /// Memory that try_fill would take for these values.
  static std::size_t bytes_needed(const host_values& from, const tensor_dims& dims) {
    if (B::reads_host_memory && from.type == dtype_of<F>) return 0;
    return format<F>::bytes(static_cast<std::size_t>(dims.rows()), static_cast<std::size_t>(dims.columns()));
  }

 private:
  typename B::buffer owned_;
  typename format<F>::view view_{};
};

/// A vector or small matrix of float in a backend's memory: biases, norms, embeddings of positions.
template <class B>
class parameter {
 public:
  static bool takes(std::string_view stored_format) { return stored_format.empty(); }
  static std::int64_t stored_row_bytes(std::int64_t) { return 0; }
  result<void> try_fill(host_values from, const tensor_dims& dims, std::string_view name, executor* = nullptr) {
    LLAVA_TRY(buffer, detail::converted<typename B::buffer, float>(from, static_cast<std::size_t>(dims.size()), name));
    owned_ = std::move(buffer);
    columns_ = dims.rank == 1 ? dims.rows() : dims.columns();
    rows_ = dims.rank == 1 ? 1 : dims.rows();
    return {};
  }

  static std::string packed_layout() { return {}; }
  bool try_map(std::span<const std::byte>, const tensor_dims&) { return false; }
  std::span<const std::byte> packed() const { return {}; }

  vector_view<const float> view() const { return {data(), dynamic_shape<1>(rows_ * columns_)}; }   // (n)
  matrix_view<const float> matrix() const { return {data(), dynamic_shape<2>(rows_, columns_)}; }  // (rows, columns)
  static std::size_t bytes_needed(const host_values&, const tensor_dims& dims) {
    return static_cast<std::size_t>(dims.size()) * sizeof(float);
  }

 private:
  const float* data() const { return reinterpret_cast<const float*>(owned_.data()); }
  typename B::buffer owned_;
  std::int64_t rows_ = 0, columns_ = 0;
};

LLAVA_END
