// SPDX-License-Identifier: Apache-2.0
/// What LLaVA's programs test_message and register_worker do, with their output.
#pragma once
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>

LLAVA_BEGIN
namespace serve {

/// The options of test_message, with its defaults.
struct test_message_settings {
  std::string controller_address = "http://localhost:21001";
  std::string worker_address = {};  ///< empty: the controller is asked for one
  std::string model_name = "facebook/opt-350m";
  int max_new_tokens = 32;
  std::string message = "Tell me a story with more than 1000 words.";
  std::string api_key = {};  ///< the controller's, if it has one; not in the original
};

/// Sends a message to a worker and prints what test_message prints: the models, the address, the prompt with a word on
/// each line, and the last word of each chunk, ended by a carriage return. Without a worker it stops after the address.
/// Errors: a server does not answer, or not as one of LLaVA's.
result<void> try_send_test_message(const test_message_settings& s, function_ref<void(std::string_view)> print);

/// Registers a worker as register_worker does: the controller asks it for its status. `token`: the controller's, or
/// empty. Errors: the controller does not answer, or refuses it. A worker that does not answer is no error.
result<void> try_register_worker(const std::string& controller_address, std::string_view worker_name,
                                 bool check_heart_beat, const std::string& token = {});

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/protocol_client_inl.hpp>
#endif
