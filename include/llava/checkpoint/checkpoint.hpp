// SPDX-License-Identifier: Apache-2.0
/// checkpoint: a model as somebody has saved it: what it is, its tokenizer, its tensors. try_open_checkpoint opens one,
/// whatever its form; nobody else names a form. Tensors are mapped, not read.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// A model as it was saved.
struct checkpoint {
  std::string path;  ///< for errors
  model_description description;
  llava::tokenizer tokenizer;
  checkpoint_tensors tensors;
};

/// Opens a folder, or a repository in the Hugging Face cache by its name. Errors: what is wrong with its files, without
/// a look at the tensors' shapes.
LLAVA_INLINE result<checkpoint> try_open_checkpoint(std::string_view name);

/// The tensors of a folder, by the names that they have there.
LLAVA_INLINE result<std::unique_ptr<const tensor_source>> try_open_tensors(const std::string& folder);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/checkpoint_inl.hpp>
#endif
