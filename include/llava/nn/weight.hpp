// SPDX-License-Identifier: Apache-2.0
/// The weights of a model: weight<B, F> is a matrix in format F, parameter<B> an f32 vector or small matrix (norms,
/// biases, positions). Both begin empty and are filled once. A weight stored as F is used in the mapped file if the
/// backend can read host memory. Otherwise it is converted into the backend's memory, some rows at a time.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/quant/format.hpp>
#include <llava/tensor/view.hpp>
#include <llava/tensor/weight_slot.hpp>

LLAVA_BEGIN

namespace detail {
/// The error for a weight whose rows are not stored as floats.
LLAVA_INLINE error not_floats(std::string_view name, std::string_view stored);

/// Converts `rows` rows to f32, f16 or bf16 in a new buffer, some at a time, on `threads`; null: the calling one.
LLAVA_INLINE result<buffer> try_convert(const row_source& from, dtype to, std::int64_t rows, std::int64_t columns,
                                        std::string_view name, const memory& where, executor* threads = nullptr);
}  // namespace detail

/// A matrix (N, K) of format F, in a backend's memory or in a mapped file. Block formats: nn/block_weight.hpp;
/// tensor formats: nn/tensor_weight.hpp.
template <class B, class F>
class weight final : public weight_slot {
 public:
  result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* threads = nullptr) override {
    const dynamic_shape<2> extents(dims.rows(), dims.columns());
    if (fits_in_place(from)) {
      view_ = {reinterpret_cast<const F*>(from.in_place().bytes), extents};
      return {};
    }
    if (is_stored(from)) {
      const std::size_t bytes =
          format<F>::bytes(static_cast<std::size_t>(dims.rows()), static_cast<std::size_t>(dims.columns()));
      LLAVA_TRY(made, to.try_allocate(bytes, name));
      LLAVA_CHECK(made.try_load(0, from.in_place().bytes, bytes));
      owned_ = std::move(made);
    } else {
      LLAVA_TRY(made, detail::try_convert(from, dtype_of<F>, dims.rows(), dims.columns(), name, to, threads));
      owned_ = std::move(made);
    }
    view_ = {reinterpret_cast<const F*>(owned_.data()), extents};
    return {};
  }

  typename format<F>::view view() const { return view_; }  // (N, K)

  row_encoding encoding() const override { return dense_encoding<F>(); }

  std::size_t bytes_needed(const row_source& from, const tensor_dims& dims) const override {
    if (fits_in_place(from)) return 0;
    return format<F>::bytes(static_cast<std::size_t>(dims.rows()), static_cast<std::size_t>(dims.columns()));
  }

 private:
  /// Whether the rows are stored one after another with elements F.
  static bool is_stored(const row_source& from) {
    const host_values values = from.in_place();
    return values.bytes && values.format.empty() && values.type == dtype_of<F>;
  }
  static bool fits_in_place(const row_source& from) {
    return B::reads_host_memory && is_stored(from) &&
           reinterpret_cast<std::uintptr_t>(from.in_place().bytes) % alignof(F) == 0;
  }

  buffer owned_;
  typename format<F>::view view_{};
};

/// A vector or small matrix of floats in a backend's memory: biases, norms, position embeddings.
template <class B>
class parameter final : public weight_slot {
 public:
  result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* threads = nullptr) override {
    LLAVA_TRY(made, detail::try_convert(from, dtype::float32, dims.rows(), dims.columns(), name, to, threads));
    owned_ = std::move(made);
    columns_ = dims.rank == 1 ? dims.rows() : dims.columns();
    rows_ = dims.rank == 1 ? 1 : dims.rows();
    return {};
  }

  vector_view<const float> view() const { return {data(), dynamic_shape<1>(rows_ * columns_)}; }   // (n)
  matrix_view<const float> matrix() const { return {data(), dynamic_shape<2>(rows_, columns_)}; }  // (rows, columns)
  std::size_t bytes_needed(const row_source&, const tensor_dims& dims) const override {
    return static_cast<std::size_t>(dims.size()) * sizeof(float);
  }

 private:
  const float* data() const { return reinterpret_cast<const float*>(owned_.data()); }
  buffer owned_;
  std::int64_t rows_ = 0, columns_ = 0;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/nn/weight_inl.hpp>
#endif
