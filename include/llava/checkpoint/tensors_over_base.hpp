// SPDX-License-Identifier: Apache-2.0
/// tensors_over_base: the tensors of a base model, with those of mm_projector.bin over them, the file in which LLaVA's
/// first stage of training saves what it trained: the projector, and for some models the table of embeddings. The
/// reference (--model-base) rounds them to f16 and loads them over the base, by name.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/checkpoint/torch_file.hpp>

LLAVA_BEGIN

/// The tensors of a base, and those of a torch file instead of the base's of the same names. Owns the files.
class tensors_over_base final : public tensor_source {
 public:
  tensors_over_base(std::unique_ptr<const tensor_source> base, torch_file over)
      : base_(std::move(base)), file_(std::move(over)) {
    file_.for_each([&](const stored_tensor& t) { over_.emplace(t.name, as_f16(t)); });
  }

  const stored_tensor* find(std::string_view name) const override {
    const auto found = over_.find(name);
    return found == over_.end() ? base_->find(name) : &found->second;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : over_) visit(t);
    base_->for_each([&](const stored_tensor& t) {
      if (!over_.contains(t.name)) visit(t);
    });
  }
  std::string identity() const override { return file_.identity() + "\n" + base_->identity(); }

 private:
  std::unique_ptr<const tensor_source> base_;
  torch_file file_;
  std::map<std::string, stored_tensor, std::less<>> over_;
};

LLAVA_END
