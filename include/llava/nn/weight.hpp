// SPDX-License-Identifier: Apache-2.0
/// Where the numbers of a model live: weight<B, F> is a matrix in format F, parameter<B> an f32 vector (norms, biases,
/// positions). Both begin empty and are filled once. A weight whose stored type is F is used where the file is mapped,
/// when the backend can read there; otherwise it is converted into the backend's memory, a piece at a time.
#pragma once
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include <llava/quant/format.hpp>
#include <llava/tensor/view.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

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

/// Converts `count` values into a new buffer.
template <class To>
result<buffer> converted(host_values from, std::size_t count, std::string_view name, const memory& to) {
  LLAVA_TRY(made, to.try_allocate(count * sizeof(To), name));
  constexpr std::size_t piece = std::size_t{1} << 16;
  std::vector<To> staging(count < piece ? count : piece);
  for (std::size_t at = 0; at < count; at += piece) {
    const std::size_t n = count - at < piece ? count - at : piece;
    if (!convert(from, at, staging.data(), n))
      return fail(errc::unsupported,
                  text_of("llava: ", name, " is stored as ", name_of(from.type), "; weights must be f32, f16 or bf16"));
    LLAVA_CHECK(made.try_load(at * sizeof(To), reinterpret_cast<const std::byte*>(staging.data()), n * sizeof(To)));
  }
  return std::move(made);
}
}  // namespace detail

/// A matrix of format F in a backend's memory, or where its file is mapped. Block formats: nn/block_weight.hpp.
template <class B, class F>
class weight final : public weight_slot {
 public:
  result<void> try_fill(host_values from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* = nullptr) override {
    const dynamic_shape<2> extents(dims.rows(), dims.columns());
    const bool aligned = reinterpret_cast<std::uintptr_t>(from.bytes) % alignof(F) == 0;
    if (B::reads_host_memory && from.type == dtype_of<F> && aligned) {
      view_ = {reinterpret_cast<const F*>(from.bytes), extents};
      return {};
    }
    LLAVA_TRY(made, detail::converted<F>(from, static_cast<std::size_t>(dims.size()), name, to));
    owned_ = std::move(made);
    view_ = {reinterpret_cast<const F*>(owned_.data()), extents};
    return {};
  }

  typename format<F>::view view() const { return view_; }  // (N, K)

  std::size_t bytes_needed(const host_values& from, const tensor_dims& dims) const override {
    if (B::reads_host_memory && from.type == dtype_of<F>) return 0;
    return format<F>::bytes(static_cast<std::size_t>(dims.rows()), static_cast<std::size_t>(dims.columns()));
  }

 private:
  buffer owned_;
  typename format<F>::view view_{};
};

/// A vector or small matrix of float in a backend's memory: biases, norms, embeddings of positions.
template <class B>
class parameter final : public weight_slot {
 public:
  result<void> try_fill(host_values from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* = nullptr) override {
    LLAVA_TRY(made, detail::converted<float>(from, static_cast<std::size_t>(dims.size()), name, to));
    owned_ = std::move(made);
    columns_ = dims.rank == 1 ? dims.rows() : dims.columns();
    rows_ = dims.rank == 1 ? 1 : dims.rows();
    return {};
  }

  vector_view<const float> view() const { return {data(), dynamic_shape<1>(rows_ * columns_)}; }   // (n)
  matrix_view<const float> matrix() const { return {data(), dynamic_shape<2>(rows_, columns_)}; }  // (rows, columns)
  std::size_t bytes_needed(const host_values&, const tensor_dims& dims) const override {
    return static_cast<std::size_t>(dims.size()) * sizeof(float);
  }

 private:
  const float* data() const { return reinterpret_cast<const float*>(owned_.data()); }
  buffer owned_;
  std::int64_t rows_ = 0, columns_ = 0;
};

LLAVA_END
