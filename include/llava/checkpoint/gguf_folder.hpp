// SPDX-License-Identifier: Apache-2.0
/// Writes a checkpoint as a folder of GGUF files, which this library and llama.cpp read:
///   model.gguf    the language model with its tokenizer and its chat template
///   mmproj.gguf   the layers of the vision tower that run, the projector and the newline; none for a language model
///
/// Matrices keep their type, f32, f16 or bf16, unless another is asked for. Vectors are f32, and so are the patch and
/// position embeddings instead of bf16, as llama.cpp requires. In the architecture llama the rows of q and k are in its
/// order (gguf_rows.hpp). Generation settings are not written, because the files have no keys for them.
///
/// Of a GGUF file the keys general.… and tokenizer.… are copied, and its blocks become f16 unless another type is asked
/// for.
///
/// Refused by name: what such files cannot hold (written_gguf_keys.hpp, written_gguf_tokenizer.hpp).
#pragma once
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/gguf.hpp>
#include <llava/checkpoint/gguf_names.hpp>
#include <llava/checkpoint/gguf_rows.hpp>
#include <llava/checkpoint/llava_hf_folder.hpp>
#include <llava/checkpoint/written_chat_template.hpp>
#include <llava/checkpoint/written_gguf_keys.hpp>
#include <llava/checkpoint/written_gguf_tokenizer.hpp>

LLAVA_BEGIN

namespace detail {

inline constexpr std::string_view gguf_target = "the GGUF format";

inline result<void> try_confirm_gguf(const checkpoint& from) {
  const model_description& d = from.description;
  if (d.has_video) return not_converted(from, "settings of videos");
  std::string missing = missing_for_text(d, is_of_gguf(from));
  if (missing.empty() && d.has_vision) missing = missing_for_vision(d);
  if (!missing.empty()) return cannot_hold(from, gguf_target, missing);
  return try_confirm_files_to_convert(from, gguf_target);
}

/// A file of a conversion: its keys and its tensors.
struct gguf_plan {
  explicit gguf_plan(std::string name) : file(std::move(name)) {}

  /// Adds a tensor, which must outlive the plan, in `asked` or in its own type; blocks in f16. `head` > 0: its rows are
  /// those of heads of so many rows.
  result<void> try_add(const stored_tensor& t, std::string name, std::optional<dtype> asked, int head = 0) {
    const std::string_view unreadable = t.rows ? t.rows->unreadable() : std::string_view();
    if (!is_float(t) || !unreadable.empty() || t.dims.size() > 4)
      return fail(errc::unsupported,
                  text_of("llava: ", t.file, ": ", shown(t.name), " is not stored as floats with at ",
                          "most 4 axes, which GGUF files hold"));
    const bool is_vector = t.dims.size() < 2,
               is_embedding = name == "v.patch_embd.weight" || name == "v.position_embd.weight";
    dtype type = asked.value_or(is_of_blocks(t) ? dtype::float16 : t.type);
    if (is_vector || (is_embedding && type == dtype::bfloat16)) type = dtype::float32;
    const stored_tensor* from = &t;
    if (head > 0) {
      stored_tensor& moved = owned.emplace_back(t);
      moved.bytes = {}, moved.rows = std::make_shared<rows_by_neighbours>(t, head);
      from = &moved;
    }
    planned_tensor p{from, {name, type, t.dims, {}}};
    if (from->rows || type != t.type) p.rows = dense_rows(type), p.columns = t.columns();
    tensors.push_back(std::move(p));
    return {};
  }

  /// Adds a vector.
  void add(std::string name, std::vector<float> values) {
    const std::vector<float>& kept = vectors.emplace_back(std::move(values));
    stored_tensor t{name, dtype::float32, {}, {kept.size()}, std::as_bytes(std::span(kept)), {}};
    const stored_tensor& owner = owned.emplace_back(std::move(t));
    tensors.push_back({&owner, {std::move(name), dtype::float32, owner.dims, {}}});
  }

  std::uint64_t bytes() const {
    std::uint64_t all = 0;
    for (const planned_tensor& t : tensors) all += t.to.bytes();
    return all;
  }

  std::string file;
  gguf_new_keys keys;
  std::vector<planned_tensor> tensors;
  std::deque<stored_tensor> owned;
  std::deque<std::vector<float>> vectors;
};

/// The number of general.file_type for the type of most bytes.
inline std::uint32_t gguf_file_type(const gguf_plan& plan) {
  std::uint64_t bytes[3] = {};
  for (const planned_tensor& t : plan.tensors)
    if (t.to.dims.size() > 1)
      bytes[t.to.type == dtype::float32 ? 0 : t.to.type == dtype::float16 ? 1 : 2] += t.to.bytes();
  const std::uint32_t numbers[] = {0, 1, 32};
  return numbers[std::max_element(bytes, bytes + 3) - bytes];
}

/// Sets the keys that name the model and its conversation. The reader of the original's rules chooses by general.name.
inline void set_gguf_names(gguf_new_keys& keys, const checkpoint& from) {
  const model_description& d = from.description;
  const conversation_choice& c = d.conversation;
  const std::string name = d.model_name.empty() ? name_of_folder(from.path) : d.model_name;
  keys.set("general.type", "model");
  keys.set("general.name", valid_utf8(name));
  const std::optional<std::string> written = c.guessed ? std::nullopt : written_chat_template(c.name);
  if (!c.own.text.empty()) keys.set("tokenizer.chat_template", c.own.text);
  if (c.own.text.empty() && written) keys.set("tokenizer.chat_template", *written);
}

/// Copies the keys that state the model's origin and its tokenizer, and those of our own about its prompts.
inline result<void> try_copy_gguf_keys(gguf_new_keys& to, const std::string& file) {
  LLAVA_TRY(opened, gguf_part::try_open(file));
  constexpr std::string_view others[] = {"general.architecture", "general.file_type", "general.alignment",
                                         "general.quantization_version"};
  opened.keys().for_each([&](std::string_view key, const gguf_value& value) {
    const bool is_kept =
        key.starts_with("general.") || key.starts_with("tokenizer.") || key == gguf_own_keys::tokenizer;
    if (is_kept && std::find(std::begin(others), std::end(others), key) == std::end(others)) to.copy(key, value);
  });
  return {};
}

inline result<gguf_plan> try_plan_gguf_text(const checkpoint& from, const convert_options& o) {
  const model_description& d = from.description;
  const text_config& c = d.text;
  const bool moves = gguf_architecture(d) == "llama";
  const tensor_names names = tensor_names::to_write(tensor_spelling::original);
  gguf_plan plan("model.gguf");
  result<void> added;
  from.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
    if (!added || !name.starts_with("text.") || !belongs_to_model(name, d)) return;
    std::string own = gguf_text_name(names.file_name(name));
    if (own.empty()) {
      added = cannot_hold(from, gguf_target, "tensor ", shown(t.name));
      return;
    }
    const std::string_view part = block_name(own, "blk.").part;
    const int heads = !moves ? 0 : part == "attn_q" ? c.heads : part == "attn_k" ? c.kv_heads : 0;
    if (heads > 0 &&
        (t.dims.empty() || t.dims[0] != static_cast<std::size_t>(heads) * static_cast<std::size_t>(c.head_dim)))
      added = fail(errc::mismatch, text_of("llava: ", t.file, ": tensor ", shown(t.name), ": expected ",
                                           std::int64_t{heads} * c.head_dim, " rows, those of ", heads, " heads"));
    else
      added = plan.try_add(t, std::move(own), o.type, heads > 0 ? c.head_dim : 0);
  });
  LLAVA_CHECK(std::move(added));
  if (c.scaling == rope_scaling::llama3) plan.add("rope_freqs.weight", written_rope_divisors(c));
  if (c.scaling == rope_scaling::longrope)
    plan.add("rope_freqs.weight", std::vector<float>(c.rope_short.of, c.rope_short.of + c.head_dim / 2));
  plan.keys.set("general.architecture", gguf_architecture(d));
  if (is_of_gguf(from))
    LLAVA_CHECK(try_copy_gguf_keys(plan.keys, from.path));
  else
    set_gguf_names(plan.keys, from);
  plan.keys.set("general.file_type", gguf_file_type(plan));
  set_gguf_text_keys(plan.keys, d);
  if (!is_of_gguf(from))
    LLAVA_CHECK(
        gguf_tokenizer_writer(from, words_folder(from), static_cast<std::size_t>(c.vocab)).try_write(plan.keys));
  return result<gguf_plan>(std::move(plan));
}

inline result<gguf_plan> try_plan_gguf_vision(const checkpoint& from, const convert_options& o) {
  const model_description& d = from.description;
  const tensor_names names = tensor_names::to_write(tensor_spelling::original);
  gguf_plan plan("mmproj.gguf");
  result<void> added;
  from.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
    if (!added || name.starts_with("text.") || !belongs_to_model(name, d)) return;
    std::string own = gguf_vision_name(names.file_name(name));
    const bool runs = block_name(own, "v.blk.").number < d.vision.layers_run();
    // The norm behind the layers and SigLIP's head make no features.
    if (own.starts_with("v.post_ln.") || name.starts_with("vision.head.") || !runs) return;
    if (own.empty())
      added = cannot_hold(from, gguf_target, "tensor ", shown(t.name));
    else
      added = plan.try_add(t, std::move(own), o.type);
  });
  LLAVA_CHECK(std::move(added));
  plan.keys.set("general.architecture", "clip");
  plan.keys.set("general.type", "mmproj");
  plan.keys.set("general.file_type", gguf_file_type(plan));
  set_gguf_vision_keys(plan.keys, d);
  return result<gguf_plan>(std::move(plan));
}

/// Writes the files of a conversion and reports its progress.
class gguf_files_writer {
 public:
  gguf_files_writer(const checkpoint& from, const convert_options& o, std::uint64_t total)
      : from_(from), o_(o), total_(total) {}

  result<void> try_write(const std::string& folder, const gguf_plan& plan) {
    std::vector<gguf_new_tensor> tensors;
    for (const planned_tensor& t : plan.tensors) tensors.push_back({t.to.name, t.to.type, t.to.dims});
    LLAVA_TRY(file, gguf_writer::try_create(text_of(folder, "/", plan.file), plan.keys, tensors));
    serial_executor one;
    for (const planned_tensor& t : plan.tensors) {
      if (!t.rows.encode && t.from->bytes.size() != t.to.bytes())
        return fail(errc::mismatch, text_of("llava: ", t.from->file, ": ", shown(t.from->name), " has ",
                                            t.from->bytes.size(), " bytes, expected ", t.to.bytes()));
      const auto put = [&](std::span<const std::byte> bytes) { return file.try_write(bytes); };
      LLAVA_CHECK(try_put_rows(put, t, o_.threads ? *o_.threads : one));
      LLAVA_CHECK(file.try_end_tensor());
      done_ += t.to.bytes();
      if (done_ - forgotten_ >= kept) forgotten_ = done_, from_.tensors.forget_pages();
      if (o_.report && !o_.report({"converting weights", done_, total_}))
        return fail(errc::cancelled, text_of("llava: converting ", from_.path, " was cancelled"));
    }
    return file.try_finish();
  }

 private:
  static constexpr std::uint64_t kept = std::uint64_t{256} << 20;  // bytes between two calls of forget_pages

  const checkpoint& from_;
  const convert_options& o_;
  std::uint64_t done_ = 0, total_, forgotten_ = 0;
};

inline result<void> try_write_gguf(const checkpoint& from, const std::string& to, const convert_options& o) {
  LLAVA_CHECK(try_confirm_gguf(from));
  LLAVA_TRY(text, try_plan_gguf_text(from, o));
  std::optional<gguf_plan> vision;
  if (from.description.has_vision) {
    LLAVA_TRY(planned, try_plan_gguf_vision(from, o));
    vision.emplace(std::move(planned));
  }
  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_licences(made, from));
  gguf_files_writer writer(from, o, text.bytes() + (vision ? vision->bytes() : 0));
  if (vision) LLAVA_CHECK(writer.try_write(made.folder(), *vision));
  LLAVA_CHECK(writer.try_write(made.folder(), text));
  LLAVA_TRY(file, gguf_file::try_open(text_of(made.folder(), "/", text.file)));
  LLAVA_TRY(words, try_read_gguf_tokenizer(file.keys(), gguf_architecture(from.description),
                                           from.tokenizer.decoding().how == decoding::slow_legacy));
  LLAVA_CHECK(try_confirm_written_tokenizer(from, words));
  return made.try_commit();
}

}  // namespace detail

LLAVA_END
