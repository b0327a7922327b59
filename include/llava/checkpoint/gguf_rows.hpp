// SPDX-License-Identifier: Apache-2.0
/// Rows of a GGUF file: block_rows decodes ggml's blocks; picked_rows takes rows of another tensor, a part of a fused
/// one, or the rows of heads in another order. rows_by_neighbours gives the rows of heads in the order of a file that
/// is written.
#pragma once
#include <cstdint>
#include <string_view>
#include <utility>

#include <llava/checkpoint/tensor_source.hpp>
#include <llava/quant/ggml_blocks.hpp>
#include <llava/tensor/row_source.hpp>

LLAVA_BEGIN

/// The rows of a tensor in blocks, `columns` elements each, a multiple of the type's block. Most types have
/// the bytes of a weight format, so they can be used in place.
class block_rows final : public row_source {
 public:
  block_rows(const ggml_type& type, const std::byte* bytes, std::int64_t columns)
      : type_(&type), bytes_(bytes), columns_(columns) {}

  host_values in_place() const noexcept override {
    return type_->format.empty() ? host_values() : host_values{dtype::uint8, bytes_, type_->format};
  }
  std::string_view coded_as() const noexcept override { return type_->format; }
  const std::byte* stored_row(std::int64_t r) const noexcept override {
    return type_->format.empty() ? nullptr : bytes_ + r * (columns_ / type_->elements) * type_->bytes;
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    const std::int64_t in_row = columns_ / type_->elements;
    const std::byte* block = bytes_ + first * in_row * type_->bytes;
    for (std::int64_t b = 0; b < count * in_row; ++b, block += type_->bytes, to += type_->elements)
      type_->decode(block, to);
  }

 private:
  const ggml_type* type_;
  const std::byte* bytes_;
  std::int64_t columns_;
};

/// Rows of a tensor, from row `first` on. With `head` > 0 the rows are those of heads of `head` rows each, which the
/// file stores for a rotary embedding of neighbours: its rows 2j and 2j + 1 are rows j and j + head / 2 of the model.
class picked_rows final : public row_source {
  template <class Use>
  decltype(auto) in_all(Use&& use) const {
    return from_.with_rows(columns_, use);
  }

 public:
  picked_rows(stored_tensor from, std::int64_t columns, std::int64_t first, std::int64_t head)
      : from_(std::move(from)), columns_(columns), first_(first), head_(head) {}

  host_values in_place() const noexcept override {
    host_values all = in_all([](const row_source& rows) { return rows.in_place(); });
    if (head_ > 0 || !all.bytes) return {};
    if (all.format.empty())
      all.bytes += first_ * columns_ * static_cast<std::int64_t>(size_of(all.type));
    else
      all.bytes = stored_row(0);
    return all;
  }
  std::string_view coded_as() const noexcept override {
    return in_all([](const row_source& rows) { return rows.coded_as(); });
  }
  const std::byte* stored_row(std::int64_t r) const noexcept override {
    return in_all([&](const row_source& rows) { return rows.stored_row(first_ + row_in_file(r)); });
  }
  std::string_view unreadable() const noexcept override {
    return in_all([](const row_source& rows) { return rows.unreadable(); });
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    in_all([&](const row_source& rows) {
      if (head_ == 0) return rows.read(first_ + first, count, to);
      for (std::int64_t r = first; r < first + count; ++r, to += columns_) rows.read(first_ + row_in_file(r), 1, to);
    });
  }

 private:
  std::int64_t row_in_file(std::int64_t r) const {
    if (head_ == 0) return r;
    const std::int64_t in_head = r % head_, half = head_ / 2;
    return r - in_head + 2 * (in_head % half) + in_head / half;
  }

  stored_tensor from_;
  std::int64_t columns_, first_, head_;
};

/// The rows of a tensor of heads in llama.cpp's order, for a rotary embedding of neighbours: rows j and j + head / 2 of
/// each head become its rows 2j and 2j + 1.
class rows_by_neighbours final : public row_source {
 public:
  /// `from` must outlive this; `head`: rows of a head, an even number.
  rows_by_neighbours(const stored_tensor& from, std::int64_t head)
      : from_(&from), columns_(from.columns()), head_(head) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    from_->with_rows(columns_, [&](const row_source& rows) {
      for (std::int64_t r = first; r < first + count; ++r, to += columns_) {
        const std::int64_t in_head = r % head_;
        rows.read(r - in_head + in_head % 2 * (head_ / 2) + in_head / 2, 1, to);
      }
    });
  }

 private:
  const stored_tensor* from_;
  std::int64_t columns_, head_;
};

LLAVA_END
