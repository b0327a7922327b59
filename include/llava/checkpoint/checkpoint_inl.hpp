// SPDX-License-Identifier: Apache-2.0
/// Definitions of checkpoint.hpp, with one reader for each form of checkpoint.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/tensor_facts.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>

LLAVA_BEGIN

LLAVA_INLINE result<std::unique_ptr<const tensor_source>> try_open_tensors(const std::string& folder) {
  return guarded([&]() -> result<std::unique_ptr<const tensor_source>> {
    LLAVA_TRY(files, safetensors_folder::try_open(folder));
    return std::unique_ptr<const tensor_source>(std::make_unique<safetensors_folder>(std::move(files)));
  });
}

namespace detail {

/// Opens a folder in transformers' or LLaVA's layout: config.json, tokenizer files, tensors.
inline result<checkpoint> try_open_folder(const std::string& folder) {
  LLAVA_TRY(d, try_describe_model(folder));
  LLAVA_TRY(model, try_open_tensors(folder));
  std::unique_ptr<const tensor_source> tower;
  if (!d.vision_folder.empty()) {
    LLAVA_TRY(tower_tensors, try_open_tensors(d.vision_folder));
    tower = std::move(tower_tensors);
  }
  checkpoint_tensors tensors(d.spelling, std::move(model), std::move(tower), d.vision_folder);
  detect_projector_depth(tensors, d);
  resolve_tied_head(tensors, d);
  LLAVA_TRY(words, try_open_tokenizer(folder, d.slow_tokenizer));
  return checkpoint{folder, std::move(d), std::move(words), std::move(tensors)};
}

/// Reads one form of checkpoint.
struct checkpoint_reader {
  bool (*reads)(const std::string& path);
  result<checkpoint> (*try_open)(const std::string& path);
};

/// The first reader that reads a path opens it. The last one reads every path and reports what is wrong with it.
inline constexpr checkpoint_reader checkpoint_readers[] = {{[](const std::string&) { return true; }, try_open_folder}};

}  // namespace detail

LLAVA_INLINE result<checkpoint> try_open_checkpoint(std::string_view name) {
  return guarded([&]() -> result<checkpoint> {
    LLAVA_TRY(path, try_resolve_model_folder(name));
    const auto* reader = detail::checkpoint_readers;
    while (!reader->reads(path)) ++reader;
    return reader->try_open(path);
  });
}

LLAVA_END
