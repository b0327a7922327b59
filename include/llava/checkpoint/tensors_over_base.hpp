// SPDX-License-Identifier: Apache-2.0
/// tensors_over_base: the tensors of a base model, with those of another file over them, by name: a file in which
/// LLaVA's programs save what they trained beside a base. The reference (--model-base) rounds its tensors to f16.
///   mm_projector.bin          the projector, and for some models the table of embeddings     (first stage of training)
///   non_lora_trainables.bin   the same, beside an adapter; its names have peft's prefix
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// The tensors of a base, and those of another source instead of the base's of the same names. Owns both.
class tensors_over_base final : public tensor_source {
 public:
  /// Errors: two tensors that have one name without peft's prefix.
  static result<std::unique_ptr<const tensor_source>> try_make(std::unique_ptr<const tensor_source> base,
                                                               std::unique_ptr<const tensor_source> over) {
    auto made = std::make_unique<tensors_over_base>();
    // The reference drops "base_model.", and then one "model." if any name begins with two.
    const auto without_prefix = [](std::string_view name) {
      constexpr std::string_view prefix = "base_model.";
      return name.starts_with(prefix) ? name.substr(prefix.size()) : name;
    };
    bool any_twice = false;
    over->for_each([&](const stored_tensor& t) { any_twice |= without_prefix(t.name).starts_with("model.model."); });
    result<void> outcome;
    over->for_each([&](const stored_tensor& t) {
      stored_tensor own = as_f16(t);
      own.name = without_prefix(t.name);
      if (any_twice && own.name.starts_with("model.")) own.name.erase(0, 6);
      std::string name = own.name;
      if (!made->over_.try_emplace(std::move(name), std::move(own)).second)
        outcome = fail(errc::invalid_format, text_of("llava: ", t.file, " holds ", detail::shown(t.name),
                                                     " twice, with the prefix of peft and without it"));
    });
    LLAVA_CHECK(std::move(outcome));
    made->base_ = std::move(base), made->source_ = std::move(over);
    return std::unique_ptr<const tensor_source>(std::move(made));
  }

  const stored_tensor* find(std::string_view name) const override {
    const stored_tensor* const own = find_in(over_, name);
    return own ? own : base_->find(name);
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : over_) visit(t);
    base_->for_each([&](const stored_tensor& t) {
      if (!over_.contains(t.name)) visit(t);
    });
  }
  std::string identity() const override { return source_->identity() + "\n" + base_->identity(); }
  void forget_pages() const override { base_->forget_pages(), source_->forget_pages(); }

 private:
  std::unique_ptr<const tensor_source> base_, source_;
  tensor_map over_;
};

LLAVA_END
