// SPDX-License-Identifier: Apache-2.0
/// Weights of tests in affine formats (GGUF's types), whose bytes are random: any bytes of a file are weights.
#pragma once
#include <llava/quant/ggml_formats.hpp>
#include <llava/tensor/row_source.hpp>
#include <random>
#include <vector>

/// A stored matrix of random bytes whose f16 scales are finite and small.
template <class F>
std::vector<std::byte> stored_matrix(std::ptrdiff_t rows, std::ptrdiff_t columns) {
  std::mt19937 random(2);
  std::vector<std::byte> bytes(
      llava::format<F>::bytes(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)));
  for (std::byte& b : bytes) b = static_cast<std::byte>(random());
  for (std::size_t at = 0; at < bytes.size(); at += F::block_bytes) {
    const auto half = [&](int offset) {
      const float size = 0.0001f * static_cast<float>(random() % 1000);
      llava::write_number(bytes.data() + at + static_cast<std::size_t>(offset),
                          llava::from_float<llava::f16>(random() % 2 ? size : -size));
    };
    half(F::scale_at);
    if (F::has_minimum) half(F::scale_at + 2);
  }
  return bytes;
}

/// Rows in memory in format F, contiguous or each by itself.
template <class F>
class rows_in_format final : public llava::row_source {
 public:
  rows_in_format(const std::vector<std::byte>& bytes, std::int64_t columns, bool contiguous)
      : bytes_(bytes.data()), columns_(columns), contiguous_(contiguous) {}
  llava::host_values in_place() const noexcept override {
    return contiguous_ ? llava::host_values{llava::dtype::uint8, bytes_, F::name} : llava::host_values();
  }
  std::string_view coded_as() const noexcept override { return F::name; }
  const std::byte* stored_row(std::int64_t r) const noexcept override {
    return bytes_ + r * llava::affine_view<F>::row_bytes(columns_);
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t at = 0; at < count * columns_; at += F::elements)
      llava::decode_affine<F>(stored_row(first) + at / F::elements * F::block_bytes, to + at);
  }

 private:
  const std::byte* bytes_;
  std::int64_t columns_;
  bool contiguous_;
};
