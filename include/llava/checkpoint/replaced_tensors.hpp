// SPDX-License-Identifier: Apache-2.0
/// replaced_tensors: the tensors of files, some of which are parts of others: the parts are hidden, and the tensors
/// that they make have rows. Base of the readers of weights that other programs have quantised.
#pragma once
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

/// Files with tensors that are made of others. Owns the files.
class replaced_tensors : public tensor_source {
 public:
  const stored_tensor* find(std::string_view name) const override {
    const auto made = tensors_.find(name);
    return made == tensors_.end() ? files_->find(name) : made->second ? &*made->second : nullptr;
  }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    files_->for_each([&](const stored_tensor& t) {
      if (const stored_tensor* own = find(t.name)) visit(*own);
    });
    for (const auto& [name, made] : tensors_)
      if (made && !files_->find(name)) visit(*made);
  }
  std::string identity() const override { return files_->identity(); }
  void forget_pages() const override { files_->forget_pages(); }

 protected:
  explicit replaced_tensors(std::unique_ptr<const tensor_source> files) : files_(std::move(files)) {}

  const tensor_source& files() const { return *files_; }
  /// Hides a tensor of the files.
  void hide(const std::string& name) { tensors_.insert_or_assign(name, std::nullopt); }
  /// Puts the tensor `name`, made of parts, in place of the files' tensor of that name, if they have one. `from` is one
  /// of the parts.
  stored_tensor& replace(const stored_tensor& from, const std::string& name, dtype type, std::vector<std::size_t> dims,
                         std::shared_ptr<const row_source> rows) {
    const auto made = tensors_.insert_or_assign(
        name, stored_tensor{name, type, {}, std::move(dims), {}, from.file, {}, std::move(rows)});
    return *made.first->second;
  }

 private:
  std::unique_ptr<const tensor_source> files_;
  std::map<std::string, std::optional<stored_tensor>, std::less<>> tensors_;  // parts are empty
};

LLAVA_END
