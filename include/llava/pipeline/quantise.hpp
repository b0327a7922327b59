// SPDX-License-Identifier: Apache-2.0
/// try_quantise<M, B, F>: writes a new model folder with weights in the formats of policy F. Opt-in: it includes
/// <filesystem>. As in loading, the stages determine which tensors are weights, and their formats. A tensor that two
/// stages share (tied embeddings) stays dense if one of them needs it dense. Everything else is copied unchanged
/// (checkpoint/model_files.hpp).
///
/// It converts one tensor at a time, some rows at a time on all threads, in little memory. The new folder appears when
/// it is complete.
#pragma once
#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <llava/base/path_view.hpp>
#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/model_files.hpp>
#include <llava/checkpoint/new_folder.hpp>
#include <llava/checkpoint/weight_files.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// The planned form of each tensor of a folder.
class quantise_plan {
 public:
  explicit quantise_plan(const checkpoint& from) : from_(&from) {}

  /// Adds the weights of the stages.
  template <class Stages>
  void add(Stages& stages) {
    std::vector<std::string> read;
    stages.each(visitor([&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      read.push_back(name);
      add_one(name, slot, dims);
    }));
    add_unread(from_->tensors, from_->description, std::move(read), mistakes_);
  }

  /// The form of a tensor of the checkpoint. A tensor that no stage reads is copied.
  planned_tensor find(const stored_tensor& t) const {
    const auto found = entries_.find(&t);
    return found == entries_.end() ? copy_of(t) : found->second;
  }
  const std::vector<std::string>& mistakes() const { return mistakes_; }

 private:
  using visitor = function_ref<void(const std::string&, weight_slot&, const tensor_dims&)>;

  /// Rows that no file holds are written as floats of the tensor's type.
  static planned_tensor copy_of(const stored_tensor& t) {
    planned_tensor e{&t, {t.name, t.type, t.dims, t.format}, {}, 0};
    if (t.rows) e.rows = dense_rows(t.type), e.columns = t.columns();
    return e;
  }

  void add_one(const std::string& name, const weight_slot& slot, const tensor_dims& dims) {
    std::string mistake = mismatch_of(from_->tensors, name, slot, dims);
    if (!mistake.empty()) {
      mistakes_.push_back(std::move(mistake));
      return;
    }
    const stored_tensor& t = *from_->tensors.find(name);
    const row_encoding rows = slot.encoding();
    const bool is_dense = rows.format.empty();
    if (!is_dense && !rows.encode) {
      mistakes_.push_back(text_of(shown(t.name), ": ", rows.format, " encodes whole matrices, which no folder holds; ",
                                  "open the model in ", rows.format, " instead"));
      return;
    }
    planned_tensor e{&t, {t.name, rows.type, t.dims, std::string(rows.format)}, rows, dims.columns()};
    if (!is_dense)
      e.to.dims = {static_cast<std::size_t>(dims.rows()), static_cast<std::size_t>(rows.row_bytes(dims.columns()))};
    if (!rows.encode || !t.format.empty() || (is_dense && t.type == rows.type)) e = copy_of(t);
    const auto [at, is_new] = entries_.try_emplace(&t, e);
    if (!is_new && is_dense) at->second = e;  // shared, and one of the two needs it dense
  }

  const checkpoint* from_;
  std::map<const stored_tensor*, planned_tensor> entries_;
  std::vector<std::string> mistakes_;
};

/// Writes the planned folder.
inline result<void> try_write_folder(const checkpoint& from, const quantise_plan& plan, const std::string& to,
                                     const open_options& options) {
  LLAVA_CHECK(try_accept(plan.mistakes(), from.path));

  std::vector<planned_tensor> tensors;
  from.tensors.files().for_each([&](const stored_tensor& t) { tensors.push_back(plan.find(t)); });
  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_model_files(made, from.path, from.base));
  LLAVA_CHECK(try_adapt_config(made, from.description.model_name));
  const auto report = [&](const progress& p) { return report_progress(options, p); };
  LLAVA_CHECK(try_write_weights(made.folder(), std::move(tensors), UINT64_MAX, *make_executor(options),
                                {"quantising", from.path, report, [&] { from.tensors.forget_pages(); }}));
  return made.try_commit();
}

}  // namespace detail

/// Writes the model of `name` (a folder, or a repository in the Hugging Face cache) to the new folder `to`, with
/// weights F, a format or a policy. Errors: those of opening it, a folder `to` that is not empty, a full disk. After an
/// error there is no folder `to`, or it is empty as before. `options.report` is called during the work and cancels it
/// by returning false, for instance after a signal.
template <class M, class B, class F>
result<void> try_quantise(path_view name, const std::string& to, const open_options& options = {}) {
  return guarded([&]() -> result<void> {
    LLAVA_CHECK(try_check(options));
    LLAVA_TRY(from, try_open_checkpoint(name, options.model_base));
    if (!detail::folder_exists(from.path))
      return fail(errc::unsupported,
                  text_of("llava: ", from.path, " is a GGUF file, which cannot be quantised to a new folder; quantise ",
                          "the model's folder, or open the file with other weights"));
    LLAVA_TRY(stages, (model_stages<M, B, policy_of<F>>::try_make(from)));
    detail::quantise_plan plan(from);
    plan.add(stages);
    return detail::try_write_folder(from, plan, to, options);
  });
}

LLAVA_END
