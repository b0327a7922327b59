// SPDX-License-Identifier: Apache-2.0
#include <llava/serve/controller_gateway_inl.hpp>
#include <llava/serve/page_inl.hpp>
#include <llava/serve/page_log_inl.hpp>
#include <llava/serve/page_record_inl.hpp>
