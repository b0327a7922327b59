// SPDX-License-Identifier: Apache-2.0
/// config.json may say that the head is the embedding table (tie_word_embeddings) while the files hold a head of its
/// own.
#pragma once
#include <algorithm>

#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/source.hpp>
#include <llava/checkpoint/tensor_names.hpp>

LLAVA_BEGIN

/// Then the stored head is used where it differs from the table, as in transformers 5. LLaVA's own program runs with
/// transformers 4, which puts the table in its place: in original folders the table is used.
template <checkpoint_source Source>
void settle_tied_head(const Source& files, model_description& d) {
  if (!d.text.tied || d.names == naming::original) return;
  const tensor_names names(d.names, files);
  const stored_tensor* head = files.find(names.file_name("text.lm_head.weight"));
  const stored_tensor* table = files.find(names.file_name("text.embed_tokens.weight"));
  if (head && table) d.text.tied = head->type == table->type && std::ranges::equal(head->bytes, table->bytes);
}

LLAVA_END
