// SPDX-License-Identifier: Apache-2.0
#include <llava/text/chat_conversation_inl.hpp>
#include <llava/text/conversation_inl.hpp>
#include <llava/text/conversation_styles_inl.hpp>
#include <llava/text/tokenizer_inl.hpp>
