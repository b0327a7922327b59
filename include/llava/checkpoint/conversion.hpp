// SPDX-License-Identifier: Apache-2.0
/// conversion: what every conversion of a checkpoint to a new folder has in common: the plan of the
/// tensors that are written, and the small files that are copied. convert.hpp has the layouts.
#pragma once
#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/convert_options.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/model_files.hpp>
#include <llava/checkpoint/new_folder.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/weight_files.hpp>
#include <llava/checkpoint/written_parts.hpp>
#include <llava/checkpoint/written_words_of_gguf.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// Rows of a table, and more rows: the mean of the others, as a new token's row that no training has changed.
class grown_rows final : public row_source {
 public:
  /// `from` has the rows 0 … rows − 1 and must outlive this.
  grown_rows(const stored_tensor& from, std::int64_t rows)
      : from_(&from), rows_(rows), columns_(from.columns()), mean_(static_cast<std::size_t>(columns_)) {
    std::vector<float> line(mean_.size());
    std::vector<double> sum(mean_.size());
    for (std::int64_t r = 0; r < rows; ++r) {
      read_own(r, line.data());
      for (std::size_t c = 0; c < line.size(); ++c) sum[c] += static_cast<double>(line[c]);
    }
    for (std::size_t c = 0; c < line.size(); ++c) mean_[c] = static_cast<float>(sum[c] / static_cast<double>(rows));
  }

  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t r = first; r < first + count; ++r, to += columns_) {
      if (r < rows_)
        read_own(r, to);
      else
        std::copy(mean_.begin(), mean_.end(), to);
    }
  }

 private:
  void read_own(std::int64_t r, float* to) const noexcept {
    from_->with_rows(columns_, [&](const row_source& rows) { rows.read(r, 1, to); });
  }

  const stored_tensor* from_;
  std::int64_t rows_, columns_;
  std::vector<float> mean_;
};

/// The tensors of a new folder, in their order.
class conversion_plan {
 public:
  explicit conversion_plan(std::optional<dtype> type) : type_(type) {}

  /// Adds a tensor, which must outlive the plan, as `name`; `unasked`: its type if none is asked for, or its own.
  /// Errors: one that is not stored as floats or integers.
  result<void> try_add(const stored_tensor& t, std::string name, std::optional<dtype> unasked = {}) {
    const bool computed = t.rows != nullptr;
    const std::string_view unreadable = computed ? t.rows->unreadable() : std::string_view();
    if (!t.unsupported_type.empty() || !unreadable.empty())
      return fail(errc::unsupported,
                  text_of("llava: ", t.file, ": ", detail::shown(t.name), " is of type ",
                          unreadable.empty() ? t.unsupported_type : unreadable, ", which cannot be converted"));
    planned_tensor p{&t, {std::move(name), t.type, t.dims, t.format}};
    if (is_float(t)) {
      p.to.type = type_.value_or(unasked.value_or(t.type));
      if (computed || p.to.type != t.type) p.rows = dense_rows(p.to.type), p.columns = t.columns();
    } else if (type_ && !t.format.empty()) {
      return fail(errc::unsupported,
                  text_of("llava: ", t.file, ": ", detail::shown(t.name), " is stored as ", t.format,
                          ", whose values are rounded already; convert the folder that it was quantised from"));
    }
    tensors_.push_back(std::move(p));
    return {};
  }

  /// Adds a matrix with `rows` rows, at least its own.
  result<void> try_add_grown(const stored_tensor& t, std::string name, std::size_t rows,
                             std::optional<dtype> unasked = {}) {
    if (!is_float(t) || t.dims.size() != 2 || rows <= t.dims[0] || t.dims[0] == 0)
      return try_add(t, std::move(name), unasked);
    stored_tensor& grown = owned_.emplace_back(t);
    grown.bytes = {}, grown.dims[0] = rows;
    grown.rows = std::make_shared<grown_rows>(t, static_cast<std::int64_t>(t.dims[0]));
    return try_add(grown, std::move(name), unasked);
  }

  /// Adds a vector of `count` equal values.
  result<void> try_add_filled(std::string name, std::size_t count, float value, dtype unasked) {
    const std::vector<float>& kept = vectors_.emplace_back(count, value);
    stored_tensor filled{name, dtype::float32, {}, {count}, {}, {}};
    filled.rows = std::make_shared<stored_rows>(
        host_values{dtype::float32, reinterpret_cast<const std::byte*>(kept.data()), {}}, 1);
    return try_add(owned_.emplace_back(std::move(filled)), std::move(name), unasked);
  }

  /// The type of most bytes.
  dtype main_type() const {
    std::uint64_t bytes[3] = {};
    for (const planned_tensor& t : tensors_)
      if (t.to.type == dtype::float32 || t.to.type == dtype::float16 || t.to.type == dtype::bfloat16)
        bytes[t.to.type == dtype::float32 ? 2 : t.to.type == dtype::bfloat16] += t.to.bytes();
    const dtype types[] = {dtype::float16, dtype::bfloat16, dtype::float32};
    return types[std::max_element(bytes, bytes + 3) - bytes];
  }
  const std::vector<planned_tensor>& tensors() const { return tensors_; }

  /// Writes them from `from`, a checkpoint_tensors or a tensor_source; `path` names it.
  template <class Tensors>
  result<void> try_write(const std::string& folder, const std::string& path, const Tensors& from,
                         const convert_options& o) const {
    serial_executor one;
    const auto report = [&](const progress& p) { return !o.report || o.report(p); };
    return try_write_weights(folder, tensors_, o.shard_bytes, o.threads ? *o.threads : one,
                             {"converting", path, report, [&] { from.forget_pages(); }});
  }

 private:
  std::optional<dtype> type_;
  std::vector<planned_tensor> tensors_;
  std::deque<stored_tensor> owned_;
  std::deque<std::vector<float>> vectors_;
};

/// Transformers' word for a type in config.json.
inline std::string_view torch_name(dtype type) {
  return type == dtype::float16 ? "float16" : type == dtype::bfloat16 ? "bfloat16" : "float32";
}

/// Whether a tensor with our name `name` is part of the model. Buffers that older versions of transformers saved, a
/// newline that no merge uses and the head of a tied model are not. Layers of the tower that do not run are.
inline bool belongs_to_model(std::string_view name, const model_description& d) {
  if (name.find("rotary_emb.inv_freq") != std::string_view::npos || name.find("position_ids") != std::string_view::npos)
    return false;
  if (name == "image_newline") return d.image.tiling.has_newline();
  if (name == "text.lm_head.weight") return !d.text.tied;
  for (const std::string_view part : {"text.", "vision.", "projector."})
    if (name.substr(0, part.size()) == part) return true;
  return false;
}

/// The folder with the tokenizer and the generation settings.
inline const std::string& words_folder(const checkpoint& from) { return from.base.empty() ? from.path : from.base; }

/// Whether a file belongs to the tokenizer, or states under which terms the model may be used.
inline bool is_word_or_licence_file(const std::string& name) {
  if (!describes_model(name)) return false;
  for (const char* other : {"config", "generation_config", "preprocessor_config", "processor_config",
                            "video_preprocessor_config", "chat_template", "readme", "README", "Readme"})
    if (name.rfind(other, 0) == 0) return false;
  return true;
}

/// Whether a file states under which terms the model may be used.
inline bool is_licence_file(const std::string& name) {
  return is_word_or_licence_file(name) && !ends_with_any(name, {".json", ".model", ".jinja"}) &&
         !name.starts_with("vocab") && !name.starts_with("merges") && !name.starts_with("tokenizer");
}

/// Copies the licences that stand beside the model's files.
inline result<void> try_copy_licences(new_folder& to, const checkpoint& from) {
  return try_copy_files(to, is_of_gguf(from) ? folder_of_file(from.path) : words_folder(from), "", is_licence_file);
}

/// Copies the tokenizer's files, or writes them for a GGUF file; copies the licences; copies or makes
/// generation_config.json. `slow`: see try_write_words_of_gguf.
inline result<void> try_copy_words(new_folder& to, const checkpoint& from, bool slow) {
  const std::string& folder = words_folder(from);
  constexpr const char* settings = "generation_config.json";
  if (is_of_gguf(from)) {
    LLAVA_CHECK(try_copy_licences(to, from));
    LLAVA_CHECK(try_write_words_of_gguf(to.folder(), from, slow));
  } else {
    LLAVA_CHECK(try_copy_files(to, folder, "", is_word_or_licence_file));
    if (file_exists(folder + "/" + settings)) return to.try_copy(folder + "/" + settings, settings);
  }
  const model_description& d = from.description;
  const generation_defaults& g = d.generation;
  json_value::object o;
  json_value::array ends, suppressed;
  for (const std::int32_t id : d.eos) ends.push_back(json_of(id));
  for (const std::int32_t id : g.suppress_tokens) suppressed.push_back(json_of(id));
  if (d.bos >= 0) set_member(o, "bos_token_id", d.bos);
  if (!ends.empty()) set_member(o, "eos_token_id", ends.size() == 1 ? ends.front() : json_value(std::move(ends)));
  if (from.tokenizer.pad() >= 0) set_member(o, "pad_token_id", from.tokenizer.pad());
  if (g.do_sample) set_member(o, "do_sample", true), set_member(o, "temperature", g.temperature);
  if (g.do_sample) set_member(o, "top_p", g.top_p), set_member(o, "top_k", g.top_k);
  if (g.do_sample && g.min_p > 0.f) set_member(o, "min_p", g.min_p);
  if (g.repetition_penalty != 1.f) set_member(o, "repetition_penalty", g.repetition_penalty);
  if (!suppressed.empty()) set_member(o, "suppress_tokens", json_value(std::move(suppressed)));
  if (g.max_new_tokens > 0) set_member(o, "max_new_tokens", g.max_new_tokens);
  return try_write_text(text_of(to.folder(), "/", settings), json_text(json_value(std::move(o))));
}

/// Writes an object as a file of the new folder.
inline result<void> try_write_json(const new_folder& to, const std::string& name, json_value::object o) {
  return try_write_text(to.folder() + "/" + name, json_text(json_value(std::move(o))));
}

/// Sets the type of the weights in a config.json, and in its parts where it is stated.
inline result<void> try_name_type(const std::string& file, dtype type) {
  return try_change_json(file, true, [&](json_value::object& o) -> result<void> {
    const auto name_type = [&](json_value::object& part) {
      for (const char* key : {"torch_dtype", "dtype"})
        if (find_member(part, key)) set_member(part, key, torch_name(type));
    };
    if (!find_member(o, "dtype")) set_member(o, "torch_dtype", torch_name(type));
    name_type(o);
    for (const char* key : {"text_config", "vision_config"})
      if (const json_value* part = find_member(o, key); part && part->is_object()) {
        json_value::object members = part->members();
        name_type(members);
        set_member(o, key, json_value(std::move(members)));
      }
    return {};
  });
}

}  // namespace detail

LLAVA_END
