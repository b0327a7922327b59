// SPDX-License-Identifier: Apache-2.0
/// try_convert: writes a checkpoint to a new folder, in another layout or in its own. Opt-in: it includes <filesystem>.
///   as stored   the model's own layout, whole: adapters and deltas merged, a projector with its language model,
///               torch's files as safetensors, the parts of a split GGUF file as one; weights of bitsandbytes, GPTQ
///               and AWQ, and ggml's blocks, as floats
///   llava-hf    transformers' LlavaForConditionalGeneration and LlavaNextForConditionalGeneration: llava_hf_folder.hpp
///   original    LLaVA's own program: original_folder.hpp
///   gguf        llama.cpp: gguf_folder.hpp
///
/// It streams one tensor at a time. The folder appears when it is complete; after an error there is none, or it is
/// empty as before. Names and shapes are taken as they are: try_verify checks them.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/gguf_folder.hpp>
#include <llava/checkpoint/llava_hf_folder.hpp>
#include <llava/checkpoint/original_folder.hpp>

LLAVA_BEGIN

enum class checkpoint_layout : std::uint8_t { as_stored, llava_hf, original, gguf };

namespace detail {

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

inline result<void> try_write_as_stored(const checkpoint& from, const std::string& to, const convert_options& o) {
  if (is_of_gguf(from)) return try_write_gguf(from, to, o);
  conversion_plan plan(o.type);
  result<void> added;
  from.tensors.files().for_each([&](const stored_tensor& t) {
    if (added) added = plan.try_add(t, t.name);
  });
  LLAVA_CHECK(std::move(added));
  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_model_files(made, from.path, from.base));
  LLAVA_CHECK(try_adapt_config(made, from.description.model_name));
  if (o.type) LLAVA_CHECK(try_name_type(made.folder() + "/config.json", *o.type));
  LLAVA_CHECK(plan.try_write(made.folder(), from.path, from.tensors, o));
  return made.try_commit();
}

/// Whether a checkpoint has the layout already.
inline bool has_layout(const checkpoint& from, checkpoint_layout layout) {
  if (layout == checkpoint_layout::as_stored) return true;
  if (layout == checkpoint_layout::gguf) return false;
  const bool is_folder = folder_exists(from.path), is_hf = from.description.spelling == tensor_spelling::llava_hf;
  return is_folder && is_hf == (layout == checkpoint_layout::llava_hf) && from.description.has_vision;
}

}  // namespace detail

/// Writes an opened checkpoint to the new folder `to`. Errors: what the layout cannot hold, by name; a folder `to` that
/// is not empty; a full disk; cancelled.
inline result<void> try_convert(const checkpoint& from, const std::string& to, checkpoint_layout layout,
                                const convert_options& options = {}) {
  return guarded([&]() -> result<void> {
    const auto type = options.type.value_or(dtype::float32);
    if (type != dtype::float32 && type != dtype::float16 && type != dtype::bfloat16)
      return fail(errc::invalid_argument, "llava: the type of converted weights is f32, f16 or bf16");
    if (options.shard_bytes == 0) return fail(errc::invalid_argument, "llava: shards of 0 bytes hold no tensor");
    const bool is_copy = detail::has_layout(from, layout);
    if (!options.model_name.empty() && (is_copy || layout != checkpoint_layout::original))
      return fail(errc::invalid_argument,
                  text_of("llava: a model name (--model-name) is stored where a model of another layout becomes an ",
                          "original one, which ", from.path, " does not"));
    if (is_copy) return detail::try_write_as_stored(from, to, options);
    if (layout == checkpoint_layout::gguf) return detail::try_write_gguf(from, to, options);
    return layout == checkpoint_layout::llava_hf ? detail::try_write_llava_hf(from, to, options)
                                                 : detail::try_write_original(from, to, options);
  });
}

LLAVA_END
