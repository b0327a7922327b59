// SPDX-License-Identifier: Apache-2.0
/// Forward declarations, for headers that only name the library's types.
#pragma once
#include <llava/base/macros.hpp>

LLAVA_BEGIN

struct f16;
struct bf16;
class error;
class executor;
class thread_pool;
class adapter;
class image;
class tokenizer;
class chat_model;
class chat_session;
class session;
class batch;
struct answer;
struct generation_settings;
struct generation_hooks;
struct open_options;
struct vision_config;
struct text_config;
struct image_config;
struct projector_config;
struct scalar;
struct simd;
struct any;
struct llava_1_5_7b;
struct llava_1_5_13b;
template <class T>
class result;

LLAVA_END
