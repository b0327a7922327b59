// SPDX-License-Identifier: Apache-2.0
/// Writes a model as its difference from a base, and the sum of the two again, as LLaVA's make_delta and apply_delta:
/// in f16, tensor by tensor (delta_tensors.hpp). The small files are the model's, or the delta's, which has them.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/delta_tensors.hpp>
#include <llava/checkpoint/gguf_checkpoint.hpp>
#include <llava/checkpoint/hub_cache.hpp>

LLAVA_BEGIN

namespace detail {

/// Writes the difference or the sum of the tensors of two folders, with the small files of the first.
inline result<void> try_write_combined(std::string_view model, std::string_view base, const std::string& to,
                                       delta_direction direction, const convert_options& o) {
  LLAVA_TRY(folder, try_resolve_model_folder(model));
  LLAVA_TRY(below, try_resolve_model_folder(base));
  for (const std::string& path : {folder, below})
    if (is_gguf_model(path))
      return fail(errc::unsupported, text_of("llava: ", path, " is a GGUF model; deltas are made of folders"));
  LLAVA_TRY(own, try_open_tensors(folder));
  LLAVA_TRY(others, try_open_tensors(below));
  LLAVA_TRY(combined, delta_tensors::try_make(std::move(own), std::move(others), direction));
  conversion_plan plan(o.type);
  result<void> added;
  combined->for_each([&](const stored_tensor& t) {
    if (added) added = plan.try_add(t, t.name);
  });
  LLAVA_CHECK(std::move(added));
  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_model_files(made, folder, {}));
  LLAVA_CHECK(try_name_type(made.folder() + "/config.json", o.type.value_or(dtype::float16)));
  LLAVA_CHECK(plan.try_write(made.folder(), folder, *combined, o));
  return made.try_commit();
}

}  // namespace detail

/// Writes `model` − `base` to the new folder `to`. A tensor that the base lacks must be of the projector or the tower,
/// and stays as it is, as do the rows of new tokens. Call the folder a delta: by its name it is opened as one.
inline result<void> try_make_delta(std::string_view model, std::string_view base, const std::string& to,
                                   const convert_options& options = {}) {
  return guarded([&] { return detail::try_write_combined(model, base, to, delta_direction::difference, options); });
}

/// Writes `delta` + `base` to the new folder `to`.
inline result<void> try_apply_delta(std::string_view delta, std::string_view base, const std::string& to,
                                    const convert_options& options = {}) {
  return guarded([&] { return detail::try_write_combined(delta, base, to, delta_direction::sum, options); });
}

LLAVA_END
