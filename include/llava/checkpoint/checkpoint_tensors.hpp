// SPDX-License-Identifier: Apache-2.0
/// checkpoint_tensors: the tensors of a checkpoint by our names (tensor_names.hpp). The tower's tensors may be in a
/// folder of their own.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/tensor_names.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

/// The tensors of a checkpoint by our names. Owns the files.
class checkpoint_tensors {
 public:
  /// `tower`: the files of the tower when it has a folder of its own, `tower_folder`; otherwise null. With it, a tower
  /// in `model` is ignored.
  checkpoint_tensors(tensor_spelling spelling, std::unique_ptr<const tensor_source> model,
                     std::unique_ptr<const tensor_source> tower, std::string tower_folder)
      : model_(std::move(model)),
        tower_(std::move(tower)),
        names_(spelling, *model_),
        tower_names_(spelling, tower_ ? *tower_ : *model_),
        tower_folder_(std::move(tower_folder)) {
    model_->for_each([&](const stored_tensor& t) {
      const std::string own = names_.name_of(t.name);
      if (!tower_ || !is_vision(own)) add(own, t, names_);
    });
    if (tower_)
      tower_->for_each([&](const stored_tensor& t) {
        if (const std::string own = tower_names_.name_of(t.name); is_vision(own)) add(own, t, tower_names_);
      });
  }

  /// Finds a tensor by our name, or else by its name in the model's files; null when there is none.
  const stored_tensor* find(std::string_view name) const {
    if (const auto found = by_name_.find(name); found != by_name_.end()) return found->second;
    return model_->find(name);
  }

  /// The name in the files of a tensor with our name `name`.
  std::string file_name(std::string_view name) const {
    return (is_vision(name) ? tower_names_ : names_).file_name(name);
  }
  /// The tower's own folder, for a tensor that is in it; empty for any other.
  std::string_view folder_of(std::string_view name) const {
    return tower_ && is_vision(name) ? std::string_view(tower_folder_) : std::string_view();
  }

  /// Visits (our name, tensor) of the language model, the projector and the tower, in the order of the names.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [name, t] : by_name_) visit(name, *t);
  }

  /// The model's files, without those of a tower in a folder of its own.
  const tensor_source& files() const { return *model_; }
  /// A text that changes when one of the files is rewritten with other weights.
  std::string identity() const { return model_->identity() + (tower_ ? tower_->identity() : std::string()); }

  /// See tensor_source.
  void forget_pages() const {
    model_->forget_pages();
    if (tower_) tower_->forget_pages();
  }

 private:
  static bool is_vision(std::string_view name) { return name.starts_with("vision."); }
  /// A tensor that our name does not map back to keeps its name in the files.
  void add(const std::string& own, const stored_tensor& t, const tensor_names& names) {
    if (!own.empty()) by_name_.emplace(names.file_name(own) == t.name ? own : t.name, &t);
  }

  std::unique_ptr<const tensor_source> model_, tower_;
  tensor_names names_, tower_names_;
  std::string tower_folder_;
  std::map<std::string, const stored_tensor*, std::less<>> by_name_;
};

LLAVA_END
