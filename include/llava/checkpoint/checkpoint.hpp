// SPDX-License-Identifier: Apache-2.0
/// checkpoint: a saved model: its description, its tokenizer and its tensors. try_open_checkpoint opens every form of
/// checkpoint; no other code names a form. Tensors are mapped, not read. try_describe_checkpoint leaves them out.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/tensor_source.hpp>

LLAVA_BEGIN

/// Opens a folder, a GGUF file, or a repository in the Hugging Face cache by its name. Errors describe its files; the
/// shapes of the tensors are not checked. `base`: the model under a folder that holds an adapter, a projector alone
/// (config.json, mm_projector.bin) or, if it is called a delta, differences from a base; empty for any other. An
/// adapter without it is opened over the base that it names.
LLAVA_INLINE result<checkpoint> try_open_checkpoint(std::string_view name, std::string_view base = {},
                                                    const gguf_options& gguf = {});

/// Reads the description and the tokenizer of the same, from a folder that need not have weights. A published vision
/// tower (openai/clip-vit-large-patch14-336 and the like) need not be there either. Errors: those of
/// try_open_checkpoint, but for weights.
LLAVA_INLINE result<described_checkpoint> try_describe_checkpoint(std::string_view name, std::string_view base = {},
                                                                  const gguf_options& gguf = {});

/// Opens the tensors of a folder, under their names in the files: safetensors, or else those of torch; or those of the
/// language model in a GGUF file. `base`: a folder, as above.
LLAVA_INLINE result<std::unique_ptr<const tensor_source>> try_open_tensors(const std::string& folder,
                                                                           const std::string& base = {});

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/checkpoint_inl.hpp>
#endif
