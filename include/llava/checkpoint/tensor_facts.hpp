// SPDX-License-Identifier: Apache-2.0
/// Reads from a checkpoint's tensors what config.json does not state, or states wrongly.
#pragma once
#include <algorithm>

#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>

LLAVA_BEGIN

namespace detail {

/// Sets the number of projector layers if config.json does not state it: in llava-hf folders, whose projectors have at
/// least 2, and for the projector of a user's model.
inline void detect_projector_depth(const checkpoint_tensors& tensors, model_description& d) {
  const bool is_mlp = d.projector_type == "mlp_gelu";
  if (d.projector_type == "linear" || d.projector_type == "identity") return;
  if (is_mlp && d.spelling != tensor_spelling::llava_hf) return;
  d.projector.depth = is_mlp ? 2 : 1;
  while (tensors.find(text_of("projector.", 2 * d.projector.depth, ".weight"))) ++d.projector.depth;
}

/// config.json may tie the head to the embedding table (tie_word_embeddings) although the files hold a separate head. A
/// head that differs from the table is used, as in transformers 5. LLaVA's own program runs on transformers 4, which
/// replaces the head by the table, so original folders use the table.
inline void resolve_tied_head(const checkpoint_tensors& tensors, model_description& d) {
  if (!d.text.tied || d.prompt == prompt_rule::original) return;
  const stored_tensor* head = tensors.find("text.lm_head.weight");
  const stored_tensor* table = tensors.find("text.embed_tokens.weight");
  if (head && table)
    d.text.tied =
        !head->rows && !table->rows && head->type == table->type && std::ranges::equal(head->bytes, table->bytes);
}

}  // namespace detail

LLAVA_END
