// SPDX-License-Identifier: Apache-2.0
#include <llava/serve/controller_inl.hpp>
#include <llava/serve/protocol_client_inl.hpp>
#include <llava/serve/worker_allow_list_inl.hpp>
