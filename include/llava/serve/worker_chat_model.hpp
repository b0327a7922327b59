// SPDX-License-Identifier: Apache-2.0
/// worker_chat_model: a model of this library behind a worker. Requests run together in its engine.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/image/image.hpp>
#include <llava/serve/worker_request.hpp>

LLAVA_BEGIN

class opened_model;

namespace serve {

/// Decodes an image file: llava::try_decode_image of <llava/image/file.hpp>.
using image_decoder = hook<result<image>(std::span<const std::byte>)>;

/// See the top of this file. The text of an answer comes in the pieces of transformers' streamer.
///
/// An answer has at most max_position_embeddings tokens, less those of the prompt with an image counted as the patches
/// of one square, as in the original, and less than the opened model's context. As in the original, a stop text ends no
/// answer. `<image>` without an image is an error.
class worker_chat_model final : public worker_model {
 public:
  /// `model`: chat_model::shared().
  worker_chat_model(std::shared_ptr<const opened_model> model, std::string name, image_decoder decode)
      : model_(std::move(model)), name_(std::move(name)), decode_(std::move(decode)) {}

  std::string name() const override { return name_; }
  result<void> try_answer(const worker_request& request, const stop_signal& gone,
                          function_ref<bool(std::string_view)> on_piece) override;

 private:
  const std::shared_ptr<const opened_model> model_;
  const std::string name_;
  const image_decoder decode_;
};

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/worker_chat_model_inl.hpp>
#endif
