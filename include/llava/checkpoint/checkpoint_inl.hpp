// SPDX-License-Identifier: Apache-2.0
/// Definitions of checkpoint.hpp, with one reader for each form of checkpoint.
#pragma once
#include <memory>
#include <string>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/adapter_folder.hpp>
#include <llava/checkpoint/bitsandbytes.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/delta_tensors.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/folder_conversation.hpp>
#include <llava/checkpoint/gguf_checkpoint.hpp>
#include <llava/checkpoint/gptq_awq.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/other_folder.hpp>
#include <llava/checkpoint/quantisation.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/tensor_facts.hpp>
#include <llava/checkpoint/tensors_over_base.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/checkpoint/torch_file.hpp>

LLAVA_BEGIN

namespace detail {

inline bool holds_weights(const std::string& folder) {
  return safetensors_folder::is_in(folder) || torch_folder::is_in(folder);
}

/// Whether a folder holds differences from a base. Only its name, which has `mark`, tells; but our own writers write
/// whole models, and record their names.
inline bool holds_delta(const std::string& folder, std::string_view mark) {
  if (!folder_is_called(folder, mark) || !holds_weights(folder)) return false;
  const auto config = json_document::try_read(folder + "/config.json");
  return !config || !config->root().has(model_name_key);
}

/// Refuses a folder with whole weights and the settings of an adapter. transformers opens the base that the adapter
/// names and leaves the weights alone; without peft it opens the weights and leaves the adapter alone.
inline result<void> try_confirm_one_form(const std::string& folder) {
  if (!holds_weights(folder) || !file_exists(folder + "/adapter_config.json")) return {};
  return fail(errc::invalid_argument,
              text_of("llava: ", folder, " holds a whole model and an adapter, adapter_config.json; open the model ",
                      "without that file, or the adapter in a folder of its own over its base"));
}

/// Opens the adapter, the delta or the projector of `folder` over the tensors of `base`.
inline result<std::unique_ptr<const tensor_source>> try_open_over(const std::string& folder, const std::string& base) {
  if (holds_adapter(folder)) {
    LLAVA_TRY(below, try_open_tensors(base));
    return try_open_adapted(folder, std::move(below));
  }
  if (holds_delta(folder, "delta")) {
    LLAVA_TRY(delta, try_open_tensors(folder));
    LLAVA_TRY(below, try_open_tensors(base));
    return delta_tensors::try_make(std::move(delta), std::move(below));
  }
  if (holds_weights(folder))
    return fail(
        errc::invalid_argument,
        text_of("llava: ", folder,
                " holds a whole model, neither an adapter nor a projector alone; open it without a model base, ",
                "or give its folder a name with \"delta\" if it holds differences from the base"));
  const std::string file = text_of(folder, "/", projector_file);
  if (!file_exists(file)) return missing_file_error(folder, projector_file);
  LLAVA_TRY(projector, torch_folder::try_open_file(file));
  LLAVA_TRY(below, try_open_tensors(base));
  return tensors_over_base::try_make(std::move(below), std::move(projector));
}

/// The quantisation of a folder whose weights are packed. Without a config.json nothing states it.
inline result<weight_quantisation> try_read_folder_quantisation(const std::string& folder) {
  const std::string file = folder + "/config.json";
  if (!file_exists(file)) return weight_quantisation{};
  LLAVA_TRY(json, json_document::try_read(file));
  return try_read_quantisation(json.root());
}

/// Opens the files of a folder, whose weights bitsandbytes, GPTQ or AWQ may have quantised.
template <class Folder>
result<std::unique_ptr<const tensor_source>> try_open_as(const std::string& folder) {
  LLAVA_TRY(opened, Folder::try_open(folder));
  std::unique_ptr<const tensor_source> files = std::make_unique<Folder>(std::move(opened));
  if (gptq_awq_tensors::reads(*files)) {
    LLAVA_TRY(how, try_read_folder_quantisation(folder));
    LLAVA_TRY(packed, gptq_awq_tensors::try_read(std::move(files), how));
    return std::unique_ptr<const tensor_source>(std::make_unique<gptq_awq_tensors>(std::move(packed)));
  }
  if (!bitsandbytes_tensors::reads(*files)) return result<std::unique_ptr<const tensor_source>>(std::move(files));
  LLAVA_TRY(quantised, bitsandbytes_tensors::try_read(std::move(files)));
  return std::unique_ptr<const tensor_source>(std::make_unique<bitsandbytes_tensors>(std::move(quantised)));
}

}  // namespace detail

LLAVA_INLINE result<std::unique_ptr<const tensor_source>> try_open_tensors(const std::string& folder,
                                                                           const std::string& base) {
  return guarded([&]() -> result<std::unique_ptr<const tensor_source>> {
    LLAVA_CHECK(detail::try_confirm_one_form(folder));
    if (!base.empty()) return detail::try_open_over(folder, base);
    if (detail::is_gguf_model(folder)) return detail::try_open_gguf_tensors(folder);
    if (safetensors_folder::is_in(folder)) return detail::try_open_as<safetensors_folder>(folder);
    if (torch_folder::is_in(folder)) return detail::try_open_as<torch_folder>(folder);
    return detail::missing_file_error(folder, text_of(safetensors_file::whole_file, ", ", safetensors_file::index_file,
                                                      ", ", torch_file::whole_file, " or ", torch_file::index_file));
  });
}

namespace detail {

/// What a folder says without its weights and its tokenizer.
struct described_folder {
  std::string base;   ///< the model below its tensors; empty: none
  std::string under;  ///< the folder of its tokenizer, if another one has it
  model_description description;

  result<llava::tokenizer> try_tokenizer(const std::string& folder) {
    const std::string& words_in = under.empty() ? folder : under;
    model_description& d = description;
    LLAVA_TRY(words, try_open_tokenizer(words_in, d.slow_tokenizer));
    d.adds_image_patch = d.adds_image_patch && !words.find(image_patch);
    // Without a row for it, a prompt with <im_patch> is an error (prepare_inl.hpp).
    if (!d.adds_image_patch || static_cast<std::int64_t>(words.size()) >= d.text.vocab) return std::move(words);
    return try_open_tokenizer(words_in, d.slow_tokenizer, image_patch);
  }
};

/// A delta has all files of its model, and takes only tensors from its base; an adapter may have none.
inline result<described_folder> try_describe_folder(const std::string& folder, std::string base,
                                                    const gguf_options& gguf, description_of what) {
  if (!gguf.mmproj.empty())
    return fail(errc::invalid_argument, text_of("llava: ", folder, " is not a GGUF file, so it has no mmproj ",
                                                gguf.mmproj, "; its own files name its vision tower"));
  if (gguf.legacy_tokenizer)
    return fail(errc::invalid_argument,
                text_of("llava: ", folder, " is not a GGUF file, so legacy_tokenizer (--legacy-tokenizer) has no ",
                        "meaning; its own files say whether its tokenizer is legacy"));
  const bool is_adapter = holds_adapter(folder);
  if (is_adapter && base.empty()) {
    LLAVA_TRY(found, try_find_base(folder));
    base = std::move(found);
  }
  if (!base.empty() && is_gguf_model(base))
    return fail(errc::unsupported, text_of("llava: ", base, " is a GGUF model, which cannot be the base of ", folder,
                                           "; give the folder of the language model, with safetensors or .bin files"));
  // Published deltas have such names: LLaVA-13b-delta-v0, vicuna-7b-delta-v1.1.
  if (what == description_of::weights_too && base.empty() && holds_delta(folder, "-delta-v"))
    return fail(
        errc::unsupported,
        text_of("llava: ", folder, " is called a delta: its weights are differences from a base; give the base ",
                "as model_base (--model-base), or rename the folder if it holds a whole model"));
  std::string under = holds_delta(folder, "delta") ? std::string() : base;
  const bool by_base = is_adapter && !file_exists(folder + "/config.json");
  LLAVA_TRY(d, by_base ? try_describe_model(base, {}, what) : try_describe_model(folder, under, what));
  return described_folder{std::move(base), std::move(under), std::move(d)};
}

/// Opens a folder in transformers' or LLaVA's layout: config.json, tokenizer files, tensors.
inline result<checkpoint> try_open_folder(const std::string& folder, std::string base, const gguf_options& gguf) {
  LLAVA_TRY(said, try_describe_folder(folder, std::move(base), gguf, description_of::weights_too));
  model_description& d = said.description;
  LLAVA_TRY(model, try_open_tensors(folder, said.base));
  std::unique_ptr<const tensor_source> tower;
  if (!d.vision_folder.empty()) {
    LLAVA_TRY(tower_tensors, try_open_tensors(d.vision_folder));
    tower = std::move(tower_tensors);
  }
  checkpoint_tensors tensors(d.spelling, std::move(model), std::move(tower), d.vision_folder);
  detect_projector_depth(tensors, d);
  resolve_tied_head(tensors, d);
  LLAVA_TRY(words, said.try_tokenizer(folder));
  return checkpoint{folder, std::move(said.under), std::move(d), std::move(words), std::move(tensors)};
}

inline result<described_checkpoint> try_read_folder(const std::string& folder, std::string base,
                                                    const gguf_options& gguf) {
  LLAVA_TRY(said, try_describe_folder(folder, std::move(base), gguf, description_of::small_files));
  LLAVA_TRY(words, said.try_tokenizer(folder));
  return described_checkpoint{folder, std::move(said.under), std::move(said.description), std::move(words)};
}

/// A GGUF file has its weights behind its description; they are mapped and given up.
inline result<described_checkpoint> try_read_gguf(const std::string& path, std::string base, const gguf_options& gguf) {
  LLAVA_TRY(c, try_open_gguf(path, std::move(base), gguf));
  return described_checkpoint{std::move(c.path), std::move(c.base), std::move(c.description), std::move(c.tokenizer)};
}

/// The first reader that reads a path opens it. The last one reads every path and reports what is wrong with it.
inline constexpr checkpoint_reader checkpoint_readers[] = {
    {is_gguf_model, try_open_gguf, try_read_gguf},
    {[](const std::string&) { return true; }, try_open_folder, try_read_folder}};

/// Calls a function of the reader of `name`, which may be in the Hugging Face cache, as may `base`.
template <class Made>
result<Made> try_by_form(std::string_view name, std::string_view base, const gguf_options& gguf,
                         result<Made> (*checkpoint_reader::*function)(const std::string&, std::string,
                                                                      const gguf_options&)) {
  LLAVA_TRY(path, try_resolve_model_folder(name));
  std::string below;
  if (!base.empty()) {
    LLAVA_TRY(found, try_resolve_model_folder(base));
    below = std::move(found);
  }
  const auto* reader = checkpoint_readers;
  while (!reader->reads(path)) ++reader;
  return (reader->*function)(path, std::move(below), gguf);
}

}  // namespace detail

LLAVA_INLINE result<checkpoint> try_open_checkpoint(std::string_view name, std::string_view base,
                                                    const gguf_options& gguf) {
  return guarded([&] { return detail::try_by_form(name, base, gguf, &detail::checkpoint_reader::try_open); });
}

LLAVA_INLINE result<described_checkpoint> try_describe_checkpoint(std::string_view name, std::string_view base,
                                                                  const gguf_options& gguf) {
  return guarded([&] { return detail::try_by_form(name, base, gguf, &detail::checkpoint_reader::try_describe); });
}

LLAVA_END
