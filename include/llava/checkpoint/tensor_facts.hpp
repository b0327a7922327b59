// SPDX-License-Identifier: Apache-2.0
/// What only the tensors of a checkpoint say, and config.json does not, or says wrongly.
#pragma once
#include <algorithm>

#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

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

}  // namespace detail

LLAVA_END
