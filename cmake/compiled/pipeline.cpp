// SPDX-License-Identifier: Apache-2.0
#include <llava/generate/settings_inl.hpp>
#include <llava/image/plan_inl.hpp>
#include <llava/image/preprocess_inl.hpp>
#include <llava/image/video_plan_inl.hpp>
#include <llava/nn/weight_inl.hpp>
#include <llava/ops/shapes_inl.hpp>
#include <llava/pipeline/batch_inl.hpp>
#include <llava/pipeline/choose_conversation_inl.hpp>
#include <llava/pipeline/erase_inl.hpp>
#include <llava/pipeline/load_adapter_inl.hpp>
#include <llava/pipeline/opened_model_inl.hpp>
#include <llava/pipeline/options_inl.hpp>
#include <llava/pipeline/packed_step_inl.hpp>
#include <llava/pipeline/prompt_inl.hpp>
#include <llava/pipeline/session_inl.hpp>
