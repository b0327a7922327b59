// SPDX-License-Identifier: Apache-2.0
/// try_fetch_images: the images that a chat request names by URLs (R6).
#pragma once
#include <chrono>
#include <cstddef>
#include <string>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/serve/admission.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/image_fetcher.hpp>

LLAVA_BEGIN
namespace serve {

/// For all images of a request together.
struct fetch_limits {
  std::chrono::milliseconds time{30'000};
  std::size_t bytes = std::size_t{64} << 20;  ///< of the files
};

/// Fetches chat.urls into chat.files, one after the other, and takes their bytes from `admitted`. Errors, whose
/// sentences are for the client: those of image_fetcher::try_fetch, with the field in `param`; out_of_memory, no room.
inline result<void> try_fetch_images(chat_messages& chat, const image_fetcher& fetcher, const fetch_limits& limits,
                                     const stop_signal& stop, admission& admitted, std::string& param) {
  using clock = std::chrono::steady_clock;
  const auto end = clock::now() + limits.time;
  std::size_t bytes = 0;
  for (const fetched_image& image : chat.urls) {
    const auto refuse = [&](std::string sentence) {
      param = image.param;
      if (sentence.starts_with("llava: ")) sentence.erase(0, 7);
      return fail(errc::invalid_argument, text_of(image.param, ": ", sentence));
    };
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - clock::now());
    if (left.count() <= 0) return refuse("the images of the request took too long to fetch");
    auto file = fetcher.try_fetch(image.url, stop, left);
    if (!file && file.error().code() != errc::invalid_argument) return std::move(file).error();
    if (!file) return refuse(file.error().sentence());
    bytes += file->size();
    if (bytes > limits.bytes)
      return refuse(text_of("the image files have more than ", limits.bytes, " bytes together"));
    if (!admitted.try_take(file->size())) return error::out_of_memory();
    chat.files[image.index] = *std::move(file);
  }
  return {};
}

}  // namespace serve
LLAVA_END
