// SPDX-License-Identifier: Apache-2.0
/// weight<B, F> for row formats (block formats and affine ones): a matrix in the layout that backend B
/// multiplies. Filling it quantises floats, or repacks rows that are in F already, unit by unit on all threads, without
/// a second copy of the matrix. If B multiplies rows as F stores them, they are used in the mapped file. A format
/// without an encoder takes only rows that are in it.
#pragma once
#include <cstring>
#include <memory>
#include <string>

#include <llava/nn/weight.hpp>
#include <llava/quant/layout.hpp>

LLAVA_BEGIN

/// A matrix (N, K) of row format F, in a backend's memory or in a mapped file.
template <class B, row_format F>
class weight<B, F> final : public weight_slot {
 public:
  using layout = typename B::template layout<F>;

  bool accepts(std::string_view stored_format) const override {
    return stored_format.empty() || stored_format == F::name;
  }
  row_encoding encoding() const override {
    row_encoding all{dtype::uint8, F::name, [](std::int64_t columns) { return std::int64_t{stored_bytes(columns)}; }};
    if constexpr (has_encoder)
      all.encode = [](const float* x, std::int64_t n, std::byte* row) { F::encode(x, n, row); };
    return all;
  }

  result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* threads = nullptr) override {
    const std::ptrdiff_t rows = dims.rows(), columns = dims.columns();
    if (in_place(from)) {
      view_ = layout::make_view(from.in_place().bytes, rows, columns);
      return {};
    }
    if (!is_stored(from) && !from.unreadable().empty()) return detail::not_floats(name, from.unreadable());
    if (!is_stored(from) && !has_encoder)
      return fail(errc::unsupported, text_of("llava: ", name, " is not stored as ", F::name,
                                             ", and no encoder makes it that; open the model with weights of ggml"));
    LLAVA_TRY(made, to.try_allocate(static_cast<std::size_t>(layout_bytes<layout>(rows, columns)), name));
    serial_executor alone;
    LLAVA_CHECK(try_pack(from, rows, columns, made, threads ? *threads : alone));
    owned_ = std::move(made);
    if (B::reads_host_memory) packed_ = {owned_.data(), owned_.size()};
    view_ = layout::make_view(owned_.data(), rows, columns);
    return {};
  }

  weight_view<B, F> view() const { return view_; }  // (N, K)

  std::string packed_layout() const override { return text_of(F::name, " in ", layout::name); }
  bool can_map(std::span<const std::byte> packed, const tensor_dims& dims) const override {
    const std::ptrdiff_t bytes = layout_bytes<layout>(dims.rows(), dims.columns());
    return B::reads_host_memory && packed.size() == static_cast<std::size_t>(bytes);
  }
  void map(std::span<const std::byte> packed, const tensor_dims& dims) override {
    packed_ = packed;
    view_ = layout::make_view(packed.data(), dims.rows(), dims.columns());
  }
  std::span<const std::byte> packed() const override { return packed_; }

  std::size_t bytes_needed(const row_source& from, const tensor_dims& dims) const override {
    return in_place(from) ? 0 : static_cast<std::size_t>(layout_bytes<layout>(dims.rows(), dims.columns()));
  }

 private:
  static constexpr bool has_encoder = requires(const float* x, std::ptrdiff_t n, std::byte* row) {
    F::encode(x, n, row);
  };
  static bool in_place(const row_source& from) {
    return B::reads_host_memory && std::is_same_v<layout, stored_layout<F>> && is_contiguous(from);
  }
  /// Whether the rows are in format F already, in one piece of memory or each by itself.
  static bool is_contiguous(const row_source& from) {
    return from.in_place().bytes && from.in_place().format == F::name;
  }
  static bool is_stored(const row_source& from) {
    return is_contiguous(from) || (from.coded_as() == F::name && from.stored_row(0));
  }

  /// Packs one run of units at a time. Threads share the units of a run. Device memory is loaded after each run.
  static result<void> try_pack(const row_source& from, std::ptrdiff_t rows, std::ptrdiff_t columns, buffer& packed,
                               executor& threads) {
    const std::ptrdiff_t units = (rows + layout::unit - 1) / layout::unit, bytes = layout::unit_bytes(columns);
    const std::ptrdiff_t run = B::reads_host_memory ? units : 64;
    const std::ptrdiff_t runners = is_contiguous(from) ? 0 : threads.concurrency(),
                         unit_stored = layout::unit * stored_bytes(columns);
    std::vector<float> lines(static_cast<std::size_t>(is_stored(from) ? 0 : runners * layout::unit * columns));
    std::vector<std::byte> stored(static_cast<std::size_t>(runners * unit_stored));
    std::vector<std::byte> staging(B::reads_host_memory ? 0 : static_cast<std::size_t>(run * bytes));
    for (std::ptrdiff_t first = 0; first < units; first += run) {
      const std::ptrdiff_t count = units - first < run ? units - first : run;
      std::byte* to = B::reads_host_memory ? packed.data() : staging.data();
      parallel_for_dynamic(threads, count, [&](std::ptrdiff_t u, std::ptrdiff_t slot) {
        pack_unit(from, (first + u) * layout::unit, rows, columns, to + u * bytes,
                  lines.empty() ? nullptr : lines.data() + slot * layout::unit * columns,
                  stored.empty() ? nullptr : stored.data() + slot * unit_stored);
      });
      if (!B::reads_host_memory)
        LLAVA_CHECK(packed.try_load(static_cast<std::size_t>(first * bytes), staging.data(),
                                    static_cast<std::size_t>(count * bytes)));
    }
    return {};
  }
  static void pack_unit(const row_source& from, std::ptrdiff_t first, std::ptrdiff_t rows, std::ptrdiff_t columns,
                        std::byte* to, [[maybe_unused]] float* lines, std::byte* stored) {
    const std::ptrdiff_t count = rows - first < layout::unit ? rows - first : layout::unit;
    const std::ptrdiff_t row_bytes = stored_bytes(columns);
    if (is_contiguous(from)) return layout::pack(to, from.in_place().bytes + first * row_bytes, count, columns);
    if (is_stored(from)) {
      for (std::ptrdiff_t r = 0; r < count; ++r)
        std::memcpy(stored + r * row_bytes, from.stored_row(first + r), static_cast<std::size_t>(row_bytes));
    } else if constexpr (has_encoder) {
      from.read(first, count, lines);
      for (std::ptrdiff_t r = 0; r < count; ++r) F::encode(lines + r * columns, columns, stored + r * row_bytes);
    }
    layout::pack(to, stored, count, columns);
  }
  static constexpr std::ptrdiff_t stored_bytes(std::ptrdiff_t columns) { return format<F>::view::row_bytes(columns); }

  buffer owned_;
  std::span<const std::byte> packed_;  // owned, or mapped from a packed file; empty on a device
  typename layout::view view_{};
};

LLAVA_END
