// SPDX-License-Identifier: Apache-2.0
/// try_verify<M, B>: reads every value of a checkpoint and reports all that would make the model wrong: tensors that
/// are missing, have another shape or are read by nothing; values that are NaN or infinite; tokens without a row in the
/// table of embeddings. Opt-in, for tools. M is the model's type (llava::any for every checkpoint), B any backend, of
/// which nothing runs.
///
/// As in loading, the stages state the names and shapes. Weights may be in any block format. Reading takes as long as
/// the disk does, and needs the memory of one row for each thread.
#pragma once
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/quant/stored_blocks.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// What try_verify has found.
struct verification {
  std::vector<std::string> mistakes;      ///< one sentence each, the name of the tensor or file first
  std::vector<std::string> unexpected;    ///< names of tensors in the files that belong to no part of a model; harmless
  std::uint64_t tensors = 0, values = 0;  ///< of the model's files, and of its tower's: counted and read
};

namespace detail {

/// The slot of a matrix that its file has in a block format: only the format matters to a comparison.
class stored_block_slot final : public weight_slot {
 public:
  explicit stored_block_slot(const stored_blocks& format) : format_(&format) {}
  result<void> try_fill(const row_source&, const tensor_dims&, std::string_view name, const memory&,
                        executor*) override {
    return fail(errc::unsupported, text_of("llava: ", name, " is only compared"));
  }
  std::size_t bytes_needed(const row_source&, const tensor_dims&) const override { return 0; }
  bool accepts(std::string_view stored) const override { return stored == format_->name; }
  row_encoding encoding() const override { return {dtype::uint8, format_->name, format_->row_bytes, nullptr}; }

 private:
  const stored_blocks* format_;
};

/// Compares the stages' names and shapes with the tensors, both ways. Adds the sentences to `mistakes`.
template <class Stages>
void add_misfits(const checkpoint& from, Stages& stages, std::vector<std::string>& mistakes) {
  std::vector<std::string> read;
  const auto compare = [&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
    read.push_back(name);
    const stored_tensor* t = from.tensors.find(name);
    const stored_blocks* blocks = t ? find_stored_blocks(t->format) : nullptr;
    std::string mistake;
    if (blocks)
      mistake = mismatch_of(from.tensors, name, stored_block_slot(*blocks), dims);
    else
      mistake = mismatch_of(from.tensors, name, slot, dims);
    if (!mistake.empty()) mistakes.push_back(std::move(mistake));
  };
  stages.each(function_ref<void(const std::string&, weight_slot&, const tensor_dims&)>(compare));
  add_unread(from.tensors, from.description, std::move(read), mistakes);
}

/// The tensors of the model's files that belong to no part of a model: neither weights nor the buffers that older
/// versions of transformers saved.
inline std::vector<std::string> unexpected_tensors(const checkpoint& from) {
  std::set<const stored_tensor*> known;
  from.tensors.for_each([&](const std::string&, const stored_tensor& t) { known.insert(&t); });
  std::vector<std::string> names;
  from.tensors.files().for_each([&](const stored_tensor& t) {
    const bool is_buffer =
        t.name.find("rotary_emb.inv_freq") != std::string::npos || t.name.find("position_ids") != std::string::npos;
    if (!known.contains(&t) && !is_buffer && !tensor_names::is_of_tower(t.name)) names.push_back(shown(t.name));
  });
  return names;
}

/// The values of a tensor that are not finite.
struct not_finite_values {
  std::atomic<std::int64_t> nan{0}, infinite{0};

  /// Counts those of a run of values.
  void count(std::span<const float> values) {
    std::int64_t nans = 0, infinities = 0;
    for (const float x : values) nans += std::isnan(x), infinities += std::isinf(x);
    nan += nans, infinite += infinities;
  }
};

/// The sentence about a matrix in a block format; empty when all its scales are finite.
inline std::string not_finite_scales(const stored_tensor& t, const stored_blocks& format, executor& threads) {
  const std::size_t row_bytes = static_cast<std::size_t>(t.columns());
  std::atomic<std::int64_t> bad{0};
  parallel_for_dynamic(threads, static_cast<std::ptrdiff_t>(t.dims[0]), [&](std::ptrdiff_t r, std::ptrdiff_t) {
    if (!format.is_finite(t.bytes.subspan(static_cast<std::size_t>(r) * row_bytes, row_bytes))) ++bad;
  });
  if (bad == 0) return {};
  return text_of(shown(t.name), ": ", bad.load(), " of ", t.dims[0], " rows in ", t.file,
                 " have a scale that is NaN or infinite");
}

/// The sentence about a tensor's values; empty when all are finite, or are no floats. Adds their number to `values`.
/// Values in a file are read in runs of any length, computed ones in rows.
inline std::string not_finite_sentence(const stored_tensor& t, executor& threads, std::vector<float>& lines,
                                       std::uint64_t& values) {
  if (t.dims.empty() || std::find(t.dims.begin(), t.dims.end(), std::size_t{0}) != t.dims.end()) return {};
  if (const stored_blocks* blocks = find_stored_blocks(t.format)) {
    if (t.type != dtype::uint8 || t.bytes.empty()) return {};
    values += t.bytes.size();
    return not_finite_scales(t, *blocks, threads);
  }
  if (!is_float(t) || (t.rows && !t.rows->unreadable().empty())) return {};
  const auto all = static_cast<std::int64_t>(t.dims[0]) * t.columns();
  constexpr std::int64_t most = 1 << 16;
  const std::int64_t run = t.rows ? t.columns() : (std::min)(all, most), runs = (all + run - 1) / run;
  lines.resize(static_cast<std::size_t>(threads.concurrency() * run));
  not_finite_values found;
  t.with_rows(t.rows ? run : 1, [&](const row_source& from) {
    parallel_for_dynamic(threads, runs, [&](std::ptrdiff_t r, std::ptrdiff_t slot) {
      float* const line = lines.data() + slot * run;
      const std::int64_t count = (std::min)(run, all - r * run);
      from.read(t.rows ? r : r * run, t.rows ? 1 : count, line);
      found.count({line, static_cast<std::size_t>(count)});
    });
  });
  values += static_cast<std::uint64_t>(all);
  if (found.nan == 0 && found.infinite == 0) return {};
  return text_of(shown(t.name), ": ", found.nan.load(), " of ", all, " values in ", t.file, " are NaN and ",
                 found.infinite.load(), " are infinite");
}

/// Compares the tokenizer and the tokens that config.json names with the rows of the table of embeddings.
inline void add_misfits_of_tokens(const checkpoint& from, std::vector<std::string>& mistakes) {
  const model_description& d = from.description;
  const auto rows = static_cast<std::int64_t>(d.text.vocab), tokens = static_cast<std::int64_t>(from.tokenizer.size());
  const std::string& where = from.base.empty() ? from.path : from.base;
  if (tokens > rows)
    mistakes.push_back(text_of(where, ": the tokenizer has ", tokens, " tokens, but the table of embeddings has ", rows,
                               " rows; are the tokenizer's files those of this model?"));
  const auto check_id = [&](std::string_view what, std::int64_t id) {
    if (id >= rows)
      mistakes.push_back(text_of(where, ": ", what, " is ", id, ", but the table of embeddings has ", rows, " rows"));
  };
  check_id("bos_token_id", d.bos);
  for (const std::int32_t id : d.eos) check_id("eos_token_id", id);
  if (d.prompt != prompt_rule::processor) return;
  check_id("the id of <image>", d.image_token);
  const auto found = from.tokenizer.find("<image>");
  if (found && *found != d.image_token)
    mistakes.push_back(
        text_of(where, ": <image> is ", *found, " in the tokenizer, but ", d.image_token, " in config.json"));
}

}  // namespace detail

/// Compares the names and shapes of a checkpoint's tensors with model M, as loading does. The error lists all mistakes.
template <class M, class B>
result<void> try_confirm_tensors(const checkpoint& from) {
  return guarded([&]() -> result<void> {
    LLAVA_TRY(stages, (model_stages<M, B, policy_of<f16>>::try_make(from)));
    std::vector<std::string> mistakes;
    detail::add_misfits(from, stages, mistakes);
    return try_accept(mistakes, from.path);
  });
}

/// Compares an opened checkpoint with model M and reads all its values. `options`: `threads` and `report` are used; a
/// report that returns false cancels. Errors: the checkpoint is none of M's, or was cancelled. What is wrong with its
/// tensors is not an error, but the result.
template <class M, class B>
result<verification> try_verify(const checkpoint& from, const open_options& options = {}) {
  return guarded([&]() -> result<verification> {
    LLAVA_CHECK(try_check(options));
    LLAVA_TRY(stages, (model_stages<M, B, policy_of<f16>>::try_make(from)));
    verification v;
    detail::add_misfits(from, stages, v.mistakes);
    detail::add_misfits_of_tokens(from, v.mistakes);
    v.unexpected = detail::unexpected_tensors(from);
    std::set<const stored_tensor*> all;
    from.tensors.for_each([&](const std::string&, const stored_tensor& t) { all.insert(&t); });
    const std::shared_ptr<executor> threads = make_executor(options);
    std::vector<float> lines;
    std::uint64_t forgotten = 0;  // values read when the files' pages were given back last
    for (const stored_tensor* t : all) {
      if (v.values - forgotten > std::uint64_t{100} << 20) forgotten = v.values, from.tensors.forget_pages();
      std::string sentence = detail::not_finite_sentence(*t, *threads, lines, v.values);
      if (!sentence.empty()) v.mistakes.push_back(std::move(sentence));
      if (!report_progress(options, {"verifying weights", ++v.tensors, all.size()}))
        return fail(errc::cancelled, text_of("llava: verifying ", from.path, " was cancelled"));
    }
    return result<verification>(std::move(v));
  });
}

LLAVA_END
