// SPDX-License-Identifier: Apache-2.0
/// checkpoint_reader: the interface of the code that reads one form of checkpoint, and what it makes: a checkpoint, or
/// its description without its weights.
/// checkpoint_inl.hpp lists the readers.
#pragma once
#include <string>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint_tensors.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

/// A saved model.
struct checkpoint {
  std::string path;  ///< the folder, or the GGUF file of the language model
  std::string base;  ///< the folder of the tokenizer, if `path` holds an adapter or a projector alone; otherwise empty
  model_description description;
  llava::tokenizer tokenizer;
  checkpoint_tensors tensors;
};

/// What a saved model says of itself without its weights.
struct described_checkpoint {
  std::string path, base;         ///< as in checkpoint
  model_description description;  ///< projector.depth and text.tied are those of config.json; tensors may correct them
  llava::tokenizer tokenizer;
};

/// Facts that a GGUF file does not state.
struct gguf_options {
  std::string mmproj{};           ///< the file of the vision tower; empty: the one beside the language model
  bool legacy_tokenizer = false;  ///< SentencePiece: LlamaTokenizer's `legacy`, true for models of LLaMA 1
};

namespace detail {

/// Reads one form of checkpoint.
struct checkpoint_reader {
  bool (*reads)(const std::string& path);
  result<checkpoint> (*try_open)(const std::string& path, std::string base, const gguf_options& gguf);
  result<described_checkpoint> (*try_describe)(const std::string& path, std::string base, const gguf_options& gguf);
};

}  // namespace detail

LLAVA_END
