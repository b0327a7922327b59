// SPDX-License-Identifier: Apache-2.0
/// Writes the weights of a new folder: model.safetensors, or shards of limited size with an index, as transformers
/// names them (model-00001-of-00002.safetensors, model.safetensors.index.json). A tensor's rows come from any
/// stored_tensor; they are copied, or encoded some rows at a time on all threads, in little memory.
#pragma once
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/progress.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/checkpoint/written_json.hpp>
#include <llava/tensor/weight_slot.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// A tensor to be written.
struct planned_tensor {
  const stored_tensor* from = nullptr;  ///< its values; must outlive the plan
  safetensors_plan to;
  row_encoding rows{};       ///< the form of its rows; encode is null: the bytes are copied
  std::int64_t columns = 0;  ///< of a row that is encoded
};

/// Work on many tensors: its name, for the report and for errors ("converting"), and the folder that is read.
struct weight_work {
  std::string_view name, path;
  progress_callback report;
  function_ref<void()> forget_pages;  ///< called now and then: gives back the memory of what was read
};

/// Takes the next bytes of a tensor.
using byte_sink = function_ref<result<void>(std::span<const std::byte>)>;

namespace detail {

/// The form of rows of f32, f16 or bf16.
inline row_encoding dense_rows(dtype type) {
  return type == dtype::float16    ? dense_encoding<f16>()
         : type == dtype::bfloat16 ? dense_encoding<bf16>()
                                   : dense_encoding<f32>();
}

/// Writes one tensor, a run of rows at a time.
inline result<void> try_put_rows(byte_sink put, const planned_tensor& t, executor& threads) {
  if (!t.rows.encode || t.to.bytes() == 0) return put(t.from->bytes);
  const std::int64_t columns = t.columns, row_bytes = t.rows.row_bytes(columns);
  const auto rows = static_cast<std::int64_t>(t.to.bytes()) / row_bytes;
  const std::int64_t run = (std::min)(rows, std::max<std::int64_t>(threads.concurrency(), (4 << 20) / row_bytes));
  std::vector<std::byte> bytes(static_cast<std::size_t>(run * row_bytes));
  std::vector<float> lines(static_cast<std::size_t>(threads.concurrency() * columns));
  return t.from->with_rows(columns, [&](const row_source& from) -> result<void> {
    for (std::int64_t first = 0; first < rows; first += run) {
      const std::int64_t count = (std::min)(run, rows - first);
      parallel_for_dynamic(threads, count, [&](std::ptrdiff_t r, std::ptrdiff_t slot) {
        float* const line = lines.data() + slot * columns;
        from.read(first + r, 1, line);
        t.rows.encode(line, columns, bytes.data() + r * row_bytes);
      });
      LLAVA_CHECK(put({bytes.data(), static_cast<std::size_t>(count * row_bytes)}));
    }
    return {};
  });
}

/// The end of each shard, as an index into `tensors`: as many tensors as `most` bytes hold, at least one.
inline std::vector<std::size_t> ends_of_shards(std::span<const planned_tensor> tensors, std::uint64_t most) {
  std::vector<std::size_t> ends;
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const std::uint64_t own = tensors[i].to.bytes();
    if (bytes > 0 && (own > most || bytes > most - own)) ends.push_back(i), bytes = 0;
    bytes += own;
  }
  ends.push_back(tensors.size());
  return ends;
}

inline std::string shard_name(std::size_t i, std::size_t count) {
  char name[64];
  std::snprintf(name, sizeof name, "model-%05zu-of-%05zu.safetensors", i + 1, count);
  return name;
}

/// The index of shards that end at `ends`.
inline std::string index_of_shards(std::span<const planned_tensor> tensors, const std::vector<std::size_t>& ends) {
  json_value::object files, metadata, index;
  std::int64_t bytes = 0;
  for (std::size_t i = 0, shard = 0; i < tensors.size(); ++i) {
    while (i >= ends[shard]) ++shard;
    bytes += static_cast<std::int64_t>(tensors[i].to.bytes());
    files.emplace_back(tensors[i].to.name, json_of(shard_name(shard, ends.size())));
  }
  std::sort(files.begin(), files.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  set_member(metadata, "total_size", bytes);
  set_member(index, "metadata", json_value(std::move(metadata)));
  set_member(index, "weight_map", json_value(std::move(files)));
  return json_text(json_value(std::move(index)));
}

}  // namespace detail

/// Writes the tensors to model.safetensors in `folder`, or to shards of at most `most` bytes of tensors each, in their
/// order. A file has the widest types first, so that every tensor is aligned for its type. Errors: a tensor whose type
/// cannot be copied, a full disk, cancelled.
inline result<void> try_write_weights(const std::string& folder, std::vector<planned_tensor> tensors,
                                      std::uint64_t most, executor& threads, const weight_work& work) {
  const std::vector<std::size_t> ends = detail::ends_of_shards(tensors, most);
  constexpr std::uint64_t kept = std::uint64_t{256} << 20;  // bytes between two calls of forget_pages
  std::uint64_t done = 0, total = 0, forgotten = 0;
  for (const planned_tensor& t : tensors) {
    total += t.to.bytes();
    if (t.from->bytes.size() != t.to.bytes() && !t.rows.encode)
      return fail(errc::unsupported, text_of("llava: ", t.from->file, ": ", detail::shown(t.from->name),
                                             " has a type that cannot be copied"));
  }
  if (ends.size() > 1)
    LLAVA_CHECK(detail::try_write_text(text_of(folder, "/", safetensors_file::index_file),
                                       detail::index_of_shards(tensors, ends)));
  const std::string what = text_of(work.name, " weights");
  for (std::size_t shard = 0, begin = 0; shard < ends.size(); begin = ends[shard++]) {
    const auto first = tensors.begin() + static_cast<std::ptrdiff_t>(begin),
               last = tensors.begin() + static_cast<std::ptrdiff_t>(ends[shard]);
    std::stable_sort(first, last, [](const auto& a, const auto& b) { return size_of(a.to.type) > size_of(b.to.type); });
    std::vector<safetensors_plan> plan;
    for (auto t = first; t != last; ++t) plan.push_back(t->to);
    const std::string name =
        ends.size() == 1 ? std::string(safetensors_file::whole_file) : detail::shard_name(shard, ends.size());
    LLAVA_TRY(file, safetensors_writer::try_create(text_of(folder, "/", name), plan));
    for (auto t = first; t != last; ++t) {
      const auto put = [&](std::span<const std::byte> bytes) { return file.try_write(bytes); };
      LLAVA_CHECK(detail::try_put_rows(put, *t, threads));
      done += t->to.bytes();
      if (done - forgotten >= kept) forgotten = done, work.forget_pages();
      if (!work.report({what, done, total}))
        return fail(errc::cancelled, text_of("llava: ", work.name, " ", work.path, " was cancelled"));
    }
    LLAVA_CHECK(file.try_finish());
  }
  return {};
}

LLAVA_END
