// SPDX-License-Identifier: Apache-2.0
/// delta_tensors: the tensors of a model that was published as its difference from a base, as LLaVA's first models were
/// (LLaVA-13b-delta-v0). Each is base + delta in f16, as in the reference's apply_delta; or, to publish one, model −
/// base, as in its make_delta. The tables of tokens
/// (embeddings, head) may have more rows than the base's; these rows and the projector are in the delta as they are.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/tensor_names.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// What is made of two folders: delta + base, or model − base.
enum class delta_direction : std::uint8_t { sum, difference };

namespace detail {

/// The rows of a tensor, in f16, plus or minus the base's where it has them. Both tensors must outlive them; the base
/// has bytes.
class rows_of_sum final : public row_source {
 public:
  rows_of_sum(const stored_tensor& own, const stored_tensor& base, delta_direction direction)
      : own_(own),
        base_(&base),
        columns_(own.columns()),
        base_rows_(static_cast<std::int64_t>(base.dims[0])),
        sign_(direction == delta_direction::sum ? 1.f : -1.f) {}

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    own_.read(first, count, to);
    const std::int64_t begin = first * columns_, end = (std::min)(first + count, base_rows_) * columns_;
    constexpr std::int64_t most = 256;
    float values[most];
    for (std::int64_t at = begin; at < end; at += most) {
      const std::int64_t n = (std::min)(most, end - at);
      base_->with_rows(1, [&](const row_source& elements) { elements.read(at, n, values); });
      for (std::int64_t i = 0; i < n; ++i) to[at - begin + i] = in_f16(to[at - begin + i] + sign_ * in_f16(values[i]));
    }
  }

 private:
  rows_as_f16 own_;
  const stored_tensor* base_;
  std::int64_t columns_, base_rows_;
  float sign_;
};

}  // namespace detail

/// The sums of a delta and its base, or the differences of a model and its base. Owns the files of both.
class delta_tensors final : public tensor_source {
 public:
  /// Errors: a tensor of the delta that the base lacks, or has in another shape.
  static result<std::unique_ptr<const tensor_source>> try_make(std::unique_ptr<const tensor_source> delta,
                                                               std::unique_ptr<const tensor_source> base,
                                                               delta_direction direction = delta_direction::sum) {
    auto made = std::make_unique<delta_tensors>();
    made->direction_ = direction;
    result<void> outcome;
    delta->for_each([&](const stored_tensor& t) {
      if (outcome) outcome = made->try_add(t, *base);
    });
    LLAVA_CHECK(std::move(outcome));
    made->delta_ = std::move(delta), made->base_ = std::move(base);
    return std::unique_ptr<const tensor_source>(std::move(made));
  }

  const stored_tensor* find(std::string_view name) const override { return find_in(sums_, name); }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : sums_) visit(t);
  }
  std::string identity() const override { return delta_->identity() + base_->identity(); }
  void forget_pages() const override { delta_->forget_pages(), base_->forget_pages(); }

 private:
  result<void> try_add(const stored_tensor& t, const tensor_source& base) {
    const auto bad = [&](std::string_view what) {
      if (direction_ == delta_direction::difference)
        return fail(errc::mismatch,
                    text_of("llava: ", t.file, ": ", detail::shown(t.name), " has no difference from a base: ", what,
                            "; is this the base that the model was trained from?"));
      return fail(errc::mismatch, text_of("llava: ", t.file, ": ", detail::shown(t.name), " is a delta, but ", what,
                                          "; is this the base that the delta was made from?"));
    };
    const stored_tensor* const b = base.find(t.name);
    if (!b) {
      if (!has_no_base(t.name)) return bad("its base has no tensor of this name");
      sums_.emplace(t.name, as_f16(t));
      return {};
    }
    if (!is_float(t) || !is_float(*b)) return bad("it is not of floats in both");
    if (b->rows) return bad(text_of("its elements in ", b->file, " are quantised, or are not contiguous"));
    const bool grows = t.name == "model.embed_tokens.weight" || t.name == "lm_head.weight";
    const bool fits = t.dims.size() == b->dims.size() && !t.dims.empty() && t.columns() == b->columns() &&
                      (grows ? t.dims[0] >= b->dims[0] : t.dims == b->dims);
    if (!fits) return bad(text_of("it has another shape in ", b->file));
    stored_tensor sum = as_f16(t);
    sum.type = dtype::float16, sum.bytes = {};
    sum.rows = std::make_shared<detail::rows_of_sum>(t, *b, direction_);
    sums_.emplace(t.name, std::move(sum));
    return {};
  }
  static bool has_no_base(std::string_view name) {
    return name.find("mm_projector.") != std::string_view::npos || tensor_names::is_of_tower(name) ||
           name.find("rotary_emb.inv_freq") != std::string_view::npos;
  }

  delta_direction direction_ = delta_direction::sum;
  std::unique_ptr<const tensor_source> delta_, base_;
  tensor_map sums_;
};

LLAVA_END
