// SPDX-License-Identifier: Apache-2.0
/// llava.hpp: LLaVA, the open vision-language assistant, as templates. This header includes everything that a program
/// needs, in the order in which an image and a question are processed. It links nothing. Opt-in headers, with the
/// libraries they link:
///   llava/image/file.hpp           JPEG and PNG files (libjpeg-turbo, libpng)
///   llava/chat_model.hpp, fwd.hpp  small headers for code that only calls a model
#pragma once

// clang-format off
// Foundations: errors, threads, configurations, weight formats.
#include <llava/base/error.hpp>                // result, error
#include <llava/base/executor.hpp>             // executor, thread_pool
#include <llava/config.hpp>                    // vision_config, text_config, image_config, projector_config, with
#include <llava/config_rules.hpp>              // first_broken_rule
#include <llava/quant/format.hpp>              // f32, f16, bf16; weights<F>
#include <llava/quant/q16_0.hpp>               // q16_0: 16-bit integers, our format
#include <llava/quant/ggml_formats.hpp>        // ggml: each tensor of a GGUF file in its own type
#include <llava/quant/q4_0.hpp>                // q4_0: GGUF's format
#include <llava/quant/int8.hpp>                // int8: the 8 bits of bitsandbytes (LLM.int8), --load-8bit
#include <llava/quant/nf4.hpp>                 // nf4: the 4 bits of bitsandbytes, --load-4bit
#include <llava/quant/q4_i8.hpp>               // q4_i8: 4 bits with integer scales, our format
#include <llava/quant/q8_0.hpp>                // q8_0: GGUF's format; q8_0_a16

// Backends: the implementations of the ops of llava/ops/.
#include <llava/backend/scalar.hpp>            // scalar
#include <llava/backend/simd.hpp>              // simd, simd_as<isa>

// An image becomes features, features become image tokens.
#include <llava/image/plan.hpp>                // image_plan: an image's squares and number of image tokens
#include <llava/image/video.hpp>               // video
#include <llava/image/visual.hpp>              // visual, content_id
#include <llava/image/sample_frames.hpp>       // try_sample_frames
#include <llava/image/video_plan.hpp>          // video_plan: how the frames of a video become image tokens
#include <llava/image/preprocess.hpp>          // image, try_preprocess, try_cut_squares
#include <llava/vision/s2.hpp>                 // s2_tower
#include <llava/vision/vit.hpp>                // clip_tower
#include <llava/projector/any_projector.hpp>   // any_projector
#include <llava/projector/linear.hpp>          // linear_projector, identity_projector
#include <llava/projector/mlp_gelu.hpp>        // mlp_gelu
#include <llava/projector/mlp_res_gelu.hpp>    // mlp_res_gelu
#include <llava/projector/pooler.hpp>          // pooler

// A question becomes tokens, tokens become logits, logits become text.
#include <llava/text/conversation.hpp>         // vicuna_v1, plain, llava_llama_2, …
#include <llava/text/of_checkpoint.hpp>        // of_checkpoint: the folder's own chat template
#include <llava/text/tokenizer.hpp>            // tokenizer
#include <llava/llm/any_decoder.hpp>           // any_decoder
#include <llava/llm/llama_decoder.hpp>         // llama_decoder
#include <llava/llm/mpt_decoder.hpp>           // mpt_decoder
#include <llava/generate/settings.hpp>         // generation_settings, answer, token_logprob

// Models, and the pipeline that joins the stages.
#include <llava/models/any.hpp>                // any
#include <llava/models/derived.hpp>            // llava_rlhf_7b, llava_med_1_5_7b, bakllava_7b
#include <llava/models/llava_1.hpp>            // llava_1_7b, llava_llama_2_7b, llava_mpt_7b
#include <llava/models/llava_1_5.hpp>          // llava_1_5_7b, llava_1_5_13b
#include <llava/models/llava_1_5_s2.hpp>       // llava_1_5_s2_7b, llava_1_5_s2_13b
#include <llava/models/llava_1_6.hpp>          // llava_1_6_vicuna_7b, _13b, llava_1_6_mistral_7b, llava_1_6_34b
#include <llava/models/llava_next.hpp>         // llava_next_llama_3_8b, llava_next_qwen_72b, _110b
#include <llava/models/llava_next_video.hpp>   // llava_next_video_7b, _34b, _qwen_32b
#include <llava/models/published.hpp>          // published_models: uploads by their names
#include <llava/pipeline/engine.hpp>           // engine: requests of many threads, answered together
#include <llava/pipeline/erase.hpp>            // chat_model, erase, try_open_erased
#include <llava/pipeline/open.hpp>             // open, try_open, pipeline, session, batch
// clang-format on
