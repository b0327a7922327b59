// SPDX-License-Identifier: Apache-2.0
/// checkpoint: a model as somebody has saved it: what it is, its tokenizer, its tensors. try_open_checkpoint opens one,
/// whatever its form; nobody else names a form. Tensors are mapped, not read.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// A model as it was saved.
struct checkpoint {
  std::string path;  ///< for errors
  model_description description;
  tokenizer words;
  checkpoint_tensors tensors;
};

/// The tensors of a folder, by the names that they have there.
inline result<std::unique_ptr<const tensor_source>> try_open_tensors(const std::string& folder) {
  return guarded([&]() -> result<std::unique_ptr<const tensor_source>> {
    LLAVA_TRY(files, safetensors_folder::try_open(folder));
    return std::unique_ptr<const tensor_source>(std::make_unique<safetensors_folder>(std::move(files)));
  });
}

namespace detail {

/// Layers of a projector: config.json of llava-hf has no number for them. Two are of every such model.
inline void read_projector_depth(const checkpoint_tensors& tensors, model_description& d) {
  if (d.spelling != tensor_spelling::llava_hf || d.projector_type != "mlp_gelu") return;
  d.projector.depth = 2;
  while (tensors.find(text_of("projector.", 2 * d.projector.depth, ".weight"))) ++d.projector.depth;
}

/// config.json may say that the head is the embedding table (tie_word_embeddings) while the files hold a head of its
/// own. Where that differs from the table it is used, as in transformers 5. LLaVA's own program runs with transformers
/// 4, which puts the table in its place: in original folders the table is used.
inline void settle_tied_head(const checkpoint_tensors& tensors, model_description& d) {
  if (!d.text.tied || d.prompt == prompt_rule::original) return;
  const stored_tensor* head = tensors.find("text.lm_head.weight");
  const stored_tensor* table = tensors.find("text.embed_tokens.weight");
  if (head && table) d.text.tied = head->type == table->type && std::ranges::equal(head->bytes, table->bytes);
}

/// A folder of transformers or of LLaVA: config.json, tokenizer files, tensors.
inline result<checkpoint> try_open_folder(const std::string& folder) {
  LLAVA_TRY(d, try_describe_model(folder));
  LLAVA_TRY(model, try_open_tensors(folder));
  std::unique_ptr<const tensor_source> tower;
  if (!d.vision_folder.empty()) {
    LLAVA_TRY(beside, try_open_tensors(d.vision_folder));
    tower = std::move(beside);
  }
  checkpoint_tensors tensors(d.spelling, std::move(model), std::move(tower), d.vision_folder);
  read_projector_depth(tensors, d);
  settle_tied_head(tensors, d);
  LLAVA_TRY(words, try_open_tokenizer(folder, d.slow_tokenizer));
  return checkpoint{folder, std::move(d), std::move(words), std::move(tensors)};
}

/// A form in which checkpoints come.
struct checkpoint_reader {
  bool (*reads)(const std::string& path);
  result<checkpoint> (*try_open)(const std::string& path);
};

/// The first that reads a path opens it. The last one reads every path: it says what is wrong with it.
inline constexpr checkpoint_reader checkpoint_readers[] = {{[](const std::string&) { return true; }, try_open_folder}};

}  // namespace detail

/// Opens a folder, or a repository in the Hugging Face cache by its name. Errors: what is wrong with its files, without
/// a look at the tensors' shapes.
inline result<checkpoint> try_open_checkpoint(std::string_view name) {
  return guarded([&]() -> result<checkpoint> {
    LLAVA_TRY(path, try_resolve_model_folder(name));
    const auto* reader = detail::checkpoint_readers;
    while (!reader->reads(path)) ++reader;
    return reader->try_open(path);
  });
}

LLAVA_END
