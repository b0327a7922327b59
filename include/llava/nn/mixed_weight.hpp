// SPDX-License-Identifier: Apache-2.0
/// weight<B, F> for mixed formats (quant/any_of.hpp): a matrix in the format of its file, if F lists that format, and
/// in the first of the list otherwise. A matrix in a listed format keeps its bytes.
#pragma once
#include <string>
#include <tuple>
#include <utility>

#include <llava/nn/block_weight.hpp>
#include <llava/nn/weight.hpp>
#include <llava/quant/layout.hpp>

LLAVA_BEGIN

template <class B, mixed_format F>
struct mixed_view<B, F> {
  const weight<B, F>* from = nullptr;
  const void* data = nullptr;            // of the matrix, which identifies it
  std::ptrdiff_t rows = 0, columns = 0;  // N, K

  constexpr std::ptrdiff_t extent(int axis) const { return axis == 0 ? rows : columns; }
  /// Calls use(view), with the view of its own format.
  template <class Use>
  void visit(Use&& use) const {
    from->visit([&](const auto& own) { use(own.view()); });
  }
};

/// A matrix (N, K) of mixed format F, in a backend's memory or in a mapped file.
template <class B, mixed_format F>
class weight<B, F> final : public weight_slot {
 public:
  void choose(const row_source& from) override { chosen_ = index_of(stored_as(from), typename F::formats()); }

  result<void> try_fill(const row_source& from, const tensor_dims& dims, std::string_view name, const memory& to,
                        executor* threads = nullptr) override {
    choose(from);
    return slot().try_fill(from, dims, name, to, threads);
  }

  mixed_view<B, F> view() const {
    mixed_view<B, F> v{this};
    visit([&](const auto& own) {
      const auto of_own = own.view();
      if constexpr (requires { of_own.data(); })
        v.data = of_own.data();
      else
        v.data = of_own.data;
      v.rows = of_own.extent(0), v.columns = of_own.extent(1);
    });
    return v;
  }
  /// Calls use(weight), with the weight of the chosen format.
  template <class Use>
  void visit(Use&& use) const {
    visit_from<0>(*this, use);
  }

  bool accepts(std::string_view stored_format) const override {
    return stored_format.empty() || name_at(index_of(stored_format, typename F::formats())) == stored_format;
  }
  row_encoding encoding() const override { return slot().encoding(); }
  std::string packed_layout() const override { return slot().packed_layout(); }
  bool can_map(std::span<const std::byte> packed, const tensor_dims& dims) const override {
    return slot().can_map(packed, dims);
  }
  void map(std::span<const std::byte> packed, const tensor_dims& dims) override { slot().map(packed, dims); }
  std::span<const std::byte> packed() const override { return slot().packed(); }
  std::size_t bytes_needed(const row_source& from, const tensor_dims& dims) const override {
    return slot().bytes_needed(from, dims);
  }

 private:
  template <class... G>
  static std::tuple<weight<B, G>...> weights_in(format_list<G...>);
  using weights = decltype(weights_in(typename F::formats()));

  /// The name of the type or format in which these rows are stored; empty: none that a file can hold.
  static std::string_view stored_as(const row_source& from) {
    if (!from.coded_as().empty()) return from.coded_as();
    const host_values values = from.in_place();
    return !values.bytes ? std::string_view() : values.format.empty() ? name_of(values.type) : values.format;
  }
  template <class... G>
  static std::size_t index_of(std::string_view name, format_list<G...>) {
    std::size_t at = 0;
    return ((format<G>::name == name || (++at, false)) || ...) ? at : 0;
  }
  static std::string_view name_at(std::size_t at) {
    std::string_view found;
    const auto names = [&]<class... G>(format_list<G...>) {
      std::size_t i = 0;
      ((i++ == at ? void(found = format<G>::name) : void()), ...);
    };
    names(typename F::formats());
    return found;
  }

  template <std::size_t I, class Self, class Use>
  static void visit_from(Self& self, Use& use) {
    if constexpr (I + 1 < std::tuple_size_v<weights>)
      if (self.chosen_ != I) return visit_from<I + 1>(self, use);
    use(std::get<I>(self.weights_));
  }
  weight_slot& slot() { return const_cast<weight_slot&>(std::as_const(*this).slot()); }
  const weight_slot& slot() const {
    const weight_slot* found = nullptr;
    visit([&](const auto& own) { found = &own; });
    return *found;
  }

  weights weights_;
  std::size_t chosen_ = 0;
};

LLAVA_END
