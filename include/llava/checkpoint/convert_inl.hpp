// SPDX-License-Identifier: Apache-2.0
/// Definitions of convert.hpp.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/convert.hpp>
#include <llava/checkpoint/gguf_folder.hpp>
#include <llava/checkpoint/llava_hf_folder.hpp>
#include <llava/checkpoint/original_folder.hpp>

LLAVA_BEGIN

namespace detail {

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

LLAVA_INLINE result<void> try_convert(const checkpoint& from, const std::string& to, checkpoint_layout layout,
                                      const convert_options& options) {
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
