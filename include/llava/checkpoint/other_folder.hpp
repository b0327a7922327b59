// SPDX-License-Identifier: Apache-2.0
/// Recognises a folder that holds no model, or none that this library opens: a projector alone, a GGUF file beside
/// other files. Used when a file of a model is missing, so that the error says what is there instead.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <string>
#include <string_view>

#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/vision_config.hpp>

LLAVA_BEGIN

namespace detail {

/// The file of a projector that LLaVA's programs train alone, over a language model (tensors_over_base.hpp).
inline constexpr std::string_view projector_file = "mm_projector.bin";

/// The first file, by name, at the top of a folder whose name ends with `end`; empty when there is none.
inline std::string file_that_ends(const std::string& folder, std::string_view end) {
  std::string first;
  if (const auto names = try_names_in(folder))
    for (const std::string& name : *names)
      if (name.ends_with(end) && (first.empty() || name < first)) first = name;
  return first;
}

/// The error for a folder that lacks the file `missing`.
inline error missing_file_error(const std::string& folder, std::string_view missing) {
  if (::access(folder.c_str(), R_OK | X_OK) != 0)
    return fail_of_system(errno, "llava: cannot open the folder ", folder);
  if (const std::string gguf = file_that_ends(folder, ".gguf"); !gguf.empty())
    return fail(errc::not_found, text_of("llava: ", folder, " has no ", missing, "; it has a GGUF file, ", gguf,
                                         ": pass the path of the file"));
  if (missing != "config.json" && file_exists(folder + "/" + std::string(projector_file)))
    return fail(errc::unsupported, text_of("llava: ", folder, " holds only a projector, ", projector_file,
                                           "; give its language model as model_base (--model-base)"));
  const std::string other = file_that_ends(folder, ".safetensors");
  return fail(errc::not_found,
              text_of("llava: ", folder, " has no ", missing, other.empty() ? "" : "; it has ", other));
}

}  // namespace detail

LLAVA_END
