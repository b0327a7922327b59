// SPDX-License-Identifier: Apache-2.0
#include <llava/serve/openai_reply_inl.hpp>
#include <llava/serve/openai_request_inl.hpp>
#include <llava/serve/openai_service_inl.hpp>
