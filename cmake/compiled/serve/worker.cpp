// SPDX-License-Identifier: Apache-2.0
#include <llava/serve/prompt_turns_inl.hpp>
#include <llava/serve/worker_backend_model_inl.hpp>
#include <llava/serve/worker_chat_model_inl.hpp>
#include <llava/serve/worker_inl.hpp>
#include <llava/serve/worker_request_inl.hpp>
