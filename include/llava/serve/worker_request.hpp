// SPDX-License-Identifier: Apache-2.0
/// worker_request: what a worker of LLaVA's protocol is asked. worker_model: who answers it.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/base/hook.hpp>

LLAVA_BEGIN
namespace serve {

/// A request, with the defaults of the original worker.
struct worker_request {
  std::string prompt;               ///< the text of a conversation template, with one `<image>` per image
  std::vector<std::string> images;  ///< JPEG or PNG files in base64
  double temperature = 1;           ///< 0.001 or less: greedy
  double top_p = 1;
  int max_new_tokens = 256;  ///< at most 1024
  std::string stop;          ///< is cut off the end of the text; it ends no answer

  static constexpr int most_new_tokens = 1024;
};

/// Reads the body of a request. Numbers may be written as Python's float() and int() take them: 1, 1.5, "1.5", true.
/// Errors: not JSON, a field is missing or has another type. `stop` is required, as in the original.
result<worker_request> try_read_worker_request(std::string_view body);

/// A model behind a worker.
class worker_model {
 public:
  worker_model() = default;
  worker_model(const worker_model&) = delete;
  worker_model& operator=(const worker_model&) = delete;
  virtual ~worker_model() = default;

  virtual std::string name() const = 0;
  /// Answers a request on this thread; several threads may call it at a time. on_piece gets the new text, once for each
  /// token, and once for the end; it returns false to end the answer. `gone` asks for a stop. Errors: context_full, the
  /// prompt leaves no room for an answer; any other error, the request failed.
  virtual result<void> try_answer(const worker_request& request, const stop_signal& gone,
                                  function_ref<bool(std::string_view)> on_piece) = 0;
};

/// Answers a request in records of LLaVA's protocol, without their byte 0: the prompt and all text so far, or an error.
/// on_record returns false to end the answer. A name of the model without "llava" takes no images: they are ignored.
/// `log` gets the sentence of an error, which the client does not see.
void answer_in_records(worker_model& model, std::string_view body, const stop_signal& gone,
                       function_ref<bool(std::string_view)> on_record, const hook<void(std::string_view)>& log = {});

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/worker_request_inl.hpp>
#endif
