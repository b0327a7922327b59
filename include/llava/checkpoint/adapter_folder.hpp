// SPDX-License-Identifier: Apache-2.0
/// Opens the folder of an adapter over its base: adapter_config.json with adapter_model.safetensors or .bin, as peft
/// saves them, and non_lora_trainables.bin, in which LLaVA's program saves what it trained besides.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include <llava/checkpoint/adapter_config.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/lora.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/tensors_over_base.hpp>
#include <llava/checkpoint/torch_file.hpp>

LLAVA_BEGIN

namespace detail {

/// Whether a folder holds an adapter and no model.
inline bool holds_adapter(const std::string& folder) {
  return file_exists(folder + "/adapter_config.json") && !safetensors_folder::is_in(folder) &&
         !torch_folder::is_in(folder);
}

/// The folder of the base that an adapter names, if it is here.
inline result<std::string> try_find_base(const std::string& folder) {
  LLAVA_TRY(config, try_read_adapter_config(folder));
  if (!config.base.empty())
    if (auto found = try_resolve_model_folder(config.base)) return found;
  return fail(errc::not_found, text_of("llava: ", folder, " holds an adapter (LoRA)", config.base.empty() ? "" : " of ",
                                       config.base, "; give its base as model_base (--model-base)",
                                       config.base.empty() ? "" : ", or fetch it with `llava pull`"));
}

/// Opens the tensors of an adapter's file.
inline result<std::unique_ptr<const tensor_source>> try_open_adapter_file(const std::string& folder) {
  const std::string file = folder + "/adapter_model.safetensors", pickled = folder + "/adapter_model.bin";
  if (!file_exists(file) && !file_exists(pickled))
    return fail(errc::not_found, text_of("llava: ", folder, " holds an adapter (LoRA) without its tensors, ",
                                         "adapter_model.safetensors or adapter_model.bin"));
  return file_exists(file) ? safetensors_folder::try_open_file(file) : torch_folder::try_open_file(pickled);
}

/// Where LLaVA's program saves what it trained beside an adapter: the projector.
inline std::string trained_beside_adapter(const std::string& folder) { return folder + "/non_lora_trainables.bin"; }

/// The tensors of a base with the adapter of `folder` merged into them.
inline result<std::unique_ptr<const tensor_source>> try_open_adapted(const std::string& folder,
                                                                     std::unique_ptr<const tensor_source> base) {
  LLAVA_TRY(config, try_read_adapter_config(folder));
  LLAVA_TRY(adapter, try_open_adapter_file(folder));
  if (file_exists(trained_beside_adapter(folder))) {
    LLAVA_TRY(trained, torch_folder::try_open_file(trained_beside_adapter(folder)));
    LLAVA_TRY(over, tensors_over_base::try_make(std::move(base), std::move(trained)));
    base = std::move(over);
  }
  LLAVA_TRY(merged, merged_tensors::try_make(std::move(base), std::move(adapter), config, folder));
  return std::unique_ptr<const tensor_source>(std::make_unique<merged_tensors>(std::move(merged)));
}

}  // namespace detail

LLAVA_END
