// SPDX-License-Identifier: Apache-2.0
#include <llava/serve/http_client_inl.hpp>
#include <llava/serve/http_head_inl.hpp>
#include <llava/serve/http_server_inl.hpp>
#include <llava/serve/image_fetcher_inl.hpp>
