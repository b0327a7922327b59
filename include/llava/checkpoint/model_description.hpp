// SPDX-License-Identifier: Apache-2.0
/// model_description: everything that a folder's small files state about a model. try_describe_model reads:
///   llava-hf folders     config.json with text_config and vision_config  (transformers' LlavaForConditionalGeneration,
///                        LlavaNextForConditionalGeneration and LlavaNextVideoForConditionalGeneration)
///   original folders     config.json with mm_… keys, tower inside or elsewhere   (haotian-liu/LLaVA)
///   text-only folders    LLaMA, Mistral, Qwen2, MPT
/// gguf_checkpoint.hpp makes one of GGUF files.
/// Absent keys have transformers' defaults.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include <llava/config.hpp>
#include <llava/text/conversation_choice.hpp>

LLAVA_BEGIN

/// How a checkpoint names its tensors (tensor_names.hpp).
enum class tensor_spelling : std::uint8_t {
  llava_hf,  ///< transformers' LlavaForConditionalGeneration
  original,  ///< LLaVA's own names, and those of text-only models
  mpt,       ///< LLaVA's own names on MPT, and those of MPT alone
};

/// The program whose rules turn a prompt into tokens.
enum class prompt_rule : std::uint8_t {
  processor,  ///< transformers' LlavaProcessor: `<image>` is a token of the vocabulary
  original,   ///< LLaVA's program: the text is cut at `<image>`
  tokenizer,  ///< transformers' tokenizer alone: a model without images
};

/// A folder's generation settings, used where the caller sets none (generation_config.hpp).
struct generation_defaults {
  bool do_sample = false;  ///< true: answers are sampled with `temperature`; false: they are greedy
  float temperature = 1.f;
  float top_p = 1.f;
  int top_k = 50;  ///< 0: all tokens
  float min_p = 0.f;
  float repetition_penalty = 1.f;
  std::vector<std::int32_t> suppress_tokens;
  int max_new_tokens = 0;  ///< 0: not stated
};

/// Everything that a folder's small files state about a model.
struct model_description {
  tensor_spelling spelling = tensor_spelling::llava_hf;
  prompt_rule prompt = prompt_rule::processor;
  bool has_vision = false;
  vision_config vision;
  text_config text;
  image_config image;
  projector_config projector;
  bool has_video = false;         ///< the model was trained with videos too
  video_config video;             ///< how a video becomes image tokens, if has_video
  std::string projector_type;     ///< the projector's name: "linear", "mlp_gelu", "identity"
  std::string vision_activation;  ///< as config.json names it: "quick_gelu"
  std::string decoder = "llama";  ///< the decoder's name: "llama" (also for Mistral and Qwen2), "mpt"
  std::string text_family;        ///< of the language model: "llama", "mistral", "qwen2", "mpt"
  std::string text_activation;    ///< of the decoder's MLP: "silu"
  conversation_choice conversation;
  std::string model_name;         ///< original folders: the reference chooses template and tokenizer by it
  std::int32_t image_token = -1;  ///< id of `<image>`, for prompt_rule::processor
  std::int32_t video_token = -1;  ///< id of `<video>`, for prompt_rule::processor and has_video
  bool slow_tokenizer = false;    ///< the reference prefers tokenizer.model to tokenizer.json
  bool tokens_only = false;       ///< rows of the table behind the tokenizer's tokens are never drawn
  int longest_prompt = 0;         ///< limit in tokens with images (tokenizer_model_max_length); 0: the context's
  bool image_start_end = false;   ///< images that the library places are put between `<im_start>` and `<im_end>`
  /// Original folders: the reference adds `<im_patch>` to the tokenizer (mm_use_im_patch_token), whose files lack it.
  bool adds_image_patch = false;
  std::string vision_folder;      ///< folder of the tower's weights; empty: with the others
  std::int32_t bos = -1;
  std::vector<std::int32_t> eos;  ///< any of them ends an answer
  generation_defaults generation;
};

LLAVA_END
