// SPDX-License-Identifier: Apache-2.0
/// rows_as_f16: the rows of a stored tensor rounded to f16. The reference loads some files as f16, whatever they hold.
#pragma once
#include <cstdint>
#include <memory>

#include <llava/base/dtype.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

namespace detail {

inline float in_f16(float x) { return to_float(from_float<f16>(x)); }

/// The rows of a tensor of floats, which must outlive them, rounded to f16.
class rows_as_f16 final : public row_source {
 public:
  explicit rows_as_f16(const stored_tensor& from) : from_(&from), columns_(from.columns()) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    from_->with_rows(columns_, [&](const row_source& rows) { rows.read(first, count, to); });
    for (std::int64_t i = 0; i < count * columns_; ++i) to[i] = in_f16(to[i]);
  }

 private:
  const stored_tensor* from_;
  std::int64_t columns_;
};

}  // namespace detail

/// Whether the tensor is of f32, f16 or bf16.
inline bool is_float(const stored_tensor& t) {
  return t.unsupported_type.empty() && t.format.empty() && is_floating(t.type);
}

/// The tensor in f16: itself when it is of f16 or not of floats. `t` must outlive it.
inline stored_tensor as_f16(const stored_tensor& t) {
  stored_tensor rounded = t;
  if (!is_float(t) || t.type == dtype::float16) return rounded;
  rounded.type = dtype::float16, rounded.bytes = {};
  rounded.rows = std::make_shared<detail::rows_as_f16>(t);
  return rounded;
}

LLAVA_END
