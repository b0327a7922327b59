// SPDX-License-Identifier: Apache-2.0
/// checkpoint: a saved model: its description, its tokenizer and its tensors. try_open_checkpoint opens every form of
/// checkpoint; no other code names a form. Tensors are mapped, not read.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// A saved model.
struct checkpoint {
  std::string path;  ///< for errors
  model_description description;
  llava::tokenizer tokenizer;
  checkpoint_tensors tensors;
};

/// Opens a folder, or a repository in the Hugging Face cache by its name. Errors describe its files; the shapes of the
/// tensors are not checked.
LLAVA_INLINE result<checkpoint> try_open_checkpoint(std::string_view name);

/// Opens the tensors of a folder, under their names in the files.
LLAVA_INLINE result<std::unique_ptr<const tensor_source>> try_open_tensors(const std::string& folder);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/checkpoint_inl.hpp>
#endif
