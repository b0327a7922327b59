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
#include <llava/checkpoint/model_files.hpp>
#include <llava/checkpoint/new_folder.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/stages.hpp>

LLAVA_BEGIN

namespace detail {

/// The conversion of a tensor's rows.
struct row_conversion {
  std::int64_t rows = 0, columns = 0;
  std::size_t row_bytes = 0;  // of a converted row
  bool is_dense = true;
  void (*convert)(const row_source& from, std::int64_t row, std::int64_t columns, float* line, std::byte* to) = nullptr;
};

/// The conversion for a slot; `convert` is null if the values stay unchanged.
template <class B, class F>
row_conversion conversion_for(const weight<B, F>&, const tensor_dims& dims) {
  row_conversion c{dims.rows(), dims.columns(), 0, format<F>::is_dense, nullptr};
  c.row_bytes = format<F>::bytes(1, static_cast<std::size_t>(dims.columns()));
  c.convert = [](const row_source& from, std::int64_t row, std::int64_t columns, float* line, std::byte* to) {
    from.read(row, 1, line);
    if constexpr (block_format<F>)
      F::encode(line, columns, to);
    else
      for (std::int64_t i = 0; i < columns; ++i) reinterpret_cast<F*>(to)[i] = from_float<F>(line[i]);
  };
  return c;
}
template <class B>
row_conversion conversion_for(const parameter<B>&, const tensor_dims&) {
  return {};
}

template <class Slot>
struct format_of_slot {
  static constexpr std::string_view name = "";
  static constexpr dtype type = dtype::float32;
};
template <class B, class F>
struct format_of_slot<weight<B, F>> {
  static constexpr std::string_view name = block_format<F> ? format<F>::name : std::string_view();
  static constexpr dtype type = block_format<F> ? dtype::uint8 : dtype_of<F>;
};

/// The planned conversion of each tensor of a folder.
class quantise_plan {
 public:
  struct entry {
    row_conversion how;
    safetensors_plan to;
  };

  /// Visits the weights of the stages.
  template <class Stages>
  quantise_plan(const checkpoint& from, Stages& stages) {
    std::vector<std::string> asked;
    stages.each([&]<class Slot>(const std::string& name, Slot& slot, const tensor_dims& dims) {
      asked.push_back(name);
      std::string mistake = mismatch_of(from.tensors, name, slot, dims);
      if (!mistake.empty()) {
        mistakes_.push_back(std::move(mistake));
        return;
      }
      const stored_tensor& t = *from.tensors.find(name);
      row_conversion how = conversion_for(slot, dims);
      const dtype type = format_of_slot<Slot>::type;
      if (!t.format.empty() || (how.is_dense && t.type == type)) how.convert = nullptr;
      safetensors_plan to{t.name, type, t.dims, std::string(format_of_slot<Slot>::name)};
      if (!how.is_dense) to.dims = {static_cast<std::size_t>(dims.rows()), how.row_bytes};
      if (!how.convert) to = {t.name, t.type, t.dims, t.format};
      const auto [at, is_new] = entries_.try_emplace(&t, entry{how, to});
      if (!is_new && how.is_dense) at->second = {how, to};  // shared, and one of the two needs it dense
    });
    add_unread(from.tensors, from.description, std::move(asked), mistakes_);
  }

  /// Returns the entry of a tensor of the checkpoint; null: it is copied.
  const entry* find(const stored_tensor& t) const {
    const auto found = entries_.find(&t);
    return found == entries_.end() ? nullptr : &found->second;
  }
  const std::vector<std::string>& mistakes() const { return mistakes_; }

 private:
  std::map<const stored_tensor*, entry> entries_;
  std::vector<std::string> mistakes_;
};

/// Writes one tensor, a run of rows at a time.
inline result<void> try_write_rows(safetensors_writer& file, const stored_tensor& t, const row_conversion& how,
                                   executor& threads) {
  if (!how.convert) return file.try_write(t.bytes);
  const std::int64_t run =
      std::max<std::int64_t>(threads.concurrency(), (std::int64_t{4} << 20) / static_cast<std::int64_t>(how.row_bytes));
  std::vector<std::byte> bytes(static_cast<std::size_t>((std::min)(run, how.rows)) * how.row_bytes);
  std::vector<float> lines(static_cast<std::size_t>(threads.concurrency() * how.columns));
  const stored_rows from({t.type, t.bytes.data()}, how.columns);
  for (std::int64_t first = 0; first < how.rows; first += run) {
    const std::int64_t count = (std::min)(run, how.rows - first);
    parallel_for_dynamic(threads, count, [&](std::ptrdiff_t r, std::ptrdiff_t slot) {
      how.convert(from, first + r, how.columns, lines.data() + slot * how.columns,
                  bytes.data() + static_cast<std::size_t>(r) * how.row_bytes);
    });
    LLAVA_CHECK(file.try_write({bytes.data(), static_cast<std::size_t>(count) * how.row_bytes}));
  }
  return {};
}

template <class M, class B, class P>
result<void> quantise(std::string_view name, const std::string& to, const open_options& options) {
  LLAVA_CHECK(try_check(options));
  LLAVA_TRY(from, try_open_checkpoint(name));
  LLAVA_TRY(stages, (model_stages<M, B, P>::try_make(from)));
  const quantise_plan plan(from, stages);
  LLAVA_CHECK(try_accept(plan.mistakes(), from.path));

  // The widest types come first, so that every tensor is aligned for its type.
  std::vector<std::pair<const stored_tensor*, quantise_plan::entry>> work;
  std::uint64_t total = 0, done = 0;
  result<void> outcome;
  from.tensors.files().for_each([&](const stored_tensor& t) {
    const auto* planned = plan.find(t);
    work.emplace_back(&t, planned ? *planned : quantise_plan::entry{{}, {t.name, t.type, t.dims, t.format}});
    total += t.bytes.size();
    if (t.bytes.size() != work.back().second.to.bytes() && !work.back().second.how.convert)
      outcome = fail(errc::unsupported, text_of("llava: ", t.file, ": ", t.name, " has a type that cannot be copied"));
  });
  LLAVA_CHECK(std::move(outcome));
  std::stable_sort(work.begin(), work.end(),
                   [](const auto& a, const auto& b) { return size_of(a.second.to.type) > size_of(b.second.to.type); });
  std::vector<safetensors_plan> tensors;
  for (const auto& [tensor, entry] : work) tensors.push_back(entry.to);

  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_model_files(made, from.path));
  LLAVA_CHECK(try_store_model_name(made, from.description.model_name));
  LLAVA_TRY(file, safetensors_writer::try_create(made.folder() + "/model.safetensors", tensors));
  const std::shared_ptr<executor> threads = make_executor(options);
  for (const auto& [tensor, entry] : work) {
    LLAVA_CHECK(try_write_rows(file, *tensor, entry.how, *threads));
    done += tensor->bytes.size();
    if (!report_progress(options, {"quantising weights", done, total}))
      return fail(errc::cancelled, text_of("llava: quantising ", from.path, " was cancelled"));
  }
  LLAVA_CHECK(file.try_finish());
  return made.try_commit();
}

}  // namespace detail

/// Writes the model of `name` (a folder, or a repository in the Hugging Face cache) to the new folder `to`, with
/// weights F, a format or a policy. Errors: those of opening it, a folder `to` that is not empty, a full disk. After an
/// error there is no folder `to`, or it is empty as before. `options.report` is called during the work and cancels it
/// by returning false, for instance after a signal.
template <class M, class B, class F>
result<void> try_quantise(path_view name, const std::string& to, const open_options& options = {}) {
  return guarded([&] { return detail::quantise<M, B, policy_of<F>>(name, to, options); });
}

LLAVA_END
