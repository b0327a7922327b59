// SPDX-License-Identifier: Apache-2.0
/// Definitions of worker_chat_model.hpp.
#pragma once
#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/serve/python_base64.hpp>
#include <llava/serve/text_streamer.hpp>
#include <llava/serve/worker_chat_model.hpp>
#include <llava/text/replaced.hpp>

LLAVA_BEGIN
namespace serve {

LLAVA_INLINE result<void> worker_chat_model::try_answer(const worker_request& request, const stop_signal& gone,
                                                        function_ref<bool(std::string_view)> on_piece) {
  const std::size_t markers = static_cast<std::size_t>(count_image_markers(request.prompt));
  if (markers != request.images.size())
    return fail(errc::mismatch, text_of("llava: the prompt has ", markers, " <image> for ", request.images.size(),
                                        " images; send one image for each"));
  std::vector<visual> images;
  for (const std::string& file : request.images) {
    LLAVA_TRY(bytes, try_python_base64(file));
    LLAVA_TRY(decoded, decode_(bytes));
    images.emplace_back(std::move(decoded));
  }
  const model_description& d = model_->opened.description;
  const std::string prompt = llava::detail::with_replaced(request.prompt, image_marker,
                                                          d.image_start_end ? tagged_image_marker : image_marker);
  LLAVA_TRY(prepared, try_prepare(*model_, prompt, std::move(images)));
  // The original counts an image as one id and the patches of a square, whatever it is cut into.
  const auto size = static_cast<std::int64_t>(prepared.tokens.size()), n = static_cast<std::int64_t>(markers);
  std::int64_t rows = 0;
  for (const visual& v : prepared.images) {
    LLAVA_TRY(plan, model_->try_plan(v.as_image().width(), v.as_image().height()));
    rows += plan.tokens;
  }
  const std::int64_t counted = size - rows + n + n * model_->shapes().features;
  const std::int64_t room = (std::min)(d.text.context - counted, model_->context - size);
  const std::int64_t most = (std::min)(std::int64_t{request.max_new_tokens}, room);
  if (most < 1) return fail(errc::context_full, "llava: the prompt leaves no room for an answer");

  generation_settings settings;
  settings.max_new_tokens = static_cast<int>(most);
  settings.temperature = request.temperature > 0.001 ? static_cast<float>(request.temperature) : 0.f;
  settings.top_p = static_cast<float>(request.top_p);
  std::random_device random;
  settings.seed = std::uint64_t{random()} << 32 | random();
  LLAVA_TRY(stream,
            engine::try_submit(
                model_, {.prompt = std::move(prepared), .settings = std::move(settings), .hooks = {.stop = gone}}));
  text_streamer pieces(model_->opened.tokenizer);
  const auto cancelled = [] { return fail(errc::cancelled, "llava: the client is gone"); };
  for (bool ended = false; !ended;) {
    LLAVA_TRY(news, stream.try_next());
    ended = news->ended;
    if (gone.stop_requested()) return cancelled();
    for (const std::int32_t token : news->tokens)
      if (!on_piece(pieces.push(token))) return cancelled();
  }
  return on_piece(pieces.end()) ? result<void>() : cancelled();
}

}  // namespace serve
LLAVA_END
