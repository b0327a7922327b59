// SPDX-License-Identifier: Apache-2.0
/// weight<B, F> for tensor formats: a matrix in the layout that backend B multiplies. Filling it encodes floats, or
/// takes a matrix that is in F already, and then packs it: one matrix at a time is held twice.
#pragma once
#include <string>
#include <vector>

#include <llava/nn/weight.hpp>
#include <llava/quant/layout.hpp>

LLAVA_BEGIN

/// A matrix (N, K) of tensor format F, in a backend's memory or in a mapped file.
template <class B, tensor_format F>
class weight<B, F> final : public weight_slot {
 public:
  using layout = typename B::template layout<F>;

  row_encoding encoding() const override { return {dtype::uint8, F::name}; }

  result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* threads = nullptr) override {
    const std::ptrdiff_t rows = dims.rows(), columns = dims.columns();
    const bool is_stored = from.coded_as() == F::name;
    if (!is_stored && !from.unreadable().empty()) return detail::not_floats(name, from.unreadable());
    const std::size_t bytes = bytes_needed(from, dims);
    LLAVA_TRY(made, to.try_allocate(bytes, name));
    serial_executor alone;
    executor& runners = threads ? *threads : alone;
    std::vector<std::byte> stored(format<F>::bytes(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)));
    if (is_stored)
      from.read_stored(stored.data());
    else
      LLAVA_CHECK(F::try_encode(from, rows, columns, name, stored.data(), runners));
    std::vector<std::byte> staging(B::reads_host_memory ? 0 : bytes);
    layout::pack(B::reads_host_memory ? made.data() : staging.data(), {stored.data(), rows, columns}, runners);
    if (!B::reads_host_memory) LLAVA_CHECK(made.try_load(0, staging.data(), bytes));
    owned_ = std::move(made);
    if (B::reads_host_memory) packed_ = {owned_.data(), owned_.size()};
    view_ = layout::make_view(owned_.data(), rows, columns);
    return {};
  }

  weight_view<B, F> view() const { return view_; }  // (N, K)

  std::string packed_layout() const override { return text_of(F::name, " in ", layout::name); }
  bool can_map(std::span<const std::byte> packed, const tensor_dims& dims) const override {
    const std::ptrdiff_t bytes = layout::bytes(dims.rows(), dims.columns());
    return B::reads_host_memory && packed.size() == static_cast<std::size_t>(bytes);
  }
  void map(std::span<const std::byte> packed, const tensor_dims& dims) override {
    packed_ = packed;
    view_ = layout::make_view(packed.data(), dims.rows(), dims.columns());
  }
  std::span<const std::byte> packed() const override { return packed_; }

  std::size_t bytes_needed(const row_source&, const tensor_dims& dims) const override {
    return static_cast<std::size_t>(layout::bytes(dims.rows(), dims.columns()));
  }

 private:
  buffer owned_;
  std::span<const std::byte> packed_;  // owned, or mapped from a packed file; empty on a device
  typename layout::view view_{};
};

LLAVA_END
