// SPDX-License-Identifier: Apache-2.0
/// try_convert: writes a checkpoint to a new folder, in another layout or in its own.
///   as stored   the model's own layout, whole: adapters and deltas merged, a projector with its language model,
///               torch's files as safetensors, the parts of a split GGUF file as one; weights of bitsandbytes, GPTQ
///               and AWQ, and ggml's blocks, as floats
///   llava-hf    transformers' LlavaForConditionalGeneration and LlavaNextForConditionalGeneration: llava_hf_folder.hpp
///   original    LLaVA's own program: original_folder.hpp
///   gguf        llama.cpp: gguf_folder.hpp
///
/// It streams one tensor at a time. The folder appears when it is complete; after an error there is none, or it is
/// empty as before. Names and shapes are taken as they are: try_verify checks them.
#pragma once
#include <cstdint>
#include <string>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/convert_options.hpp>

LLAVA_BEGIN

enum class checkpoint_layout : std::uint8_t { as_stored, llava_hf, original, gguf };

/// Writes an opened checkpoint to the new folder `to`. Errors: what the layout cannot hold, by name; a folder `to` that
/// is not empty; a full disk; cancelled.
LLAVA_INLINE result<void> try_convert(const checkpoint& from, const std::string& to, checkpoint_layout layout,
                                      const convert_options& options = {});

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/convert_inl.hpp>
#endif
