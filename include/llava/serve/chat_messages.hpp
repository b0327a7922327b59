// SPDX-License-Identifier: Apache-2.0
/// try_read_messages: the turns and images of a chat request.
#pragma once
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/image/image.hpp>
#include <llava/serve/request_fields.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN
namespace serve {

/// Decodes the bytes of an image file, as llava::try_decode_image (llava/image/file.hpp) does. An empty one: the server
/// takes no images.
using image_decoder = hook<result<image>(std::span<const std::byte>)>;

class image_fetcher;  // image_fetcher.hpp

/// An image that is still to be fetched.
struct fetched_image {
  std::size_t index;  ///< in chat_messages::files
  std::string url;
  std::string param;  ///< the field that names it, for the error reply
};

/// A conversation up to the question that is to be answered.
struct chat_messages {
  std::vector<message> turns;  ///< an optional system turn; then user and assistant in turn, the last a user's
  std::vector<std::vector<std::byte>> files;  ///< encoded images, in the order of the turns
  std::vector<fetched_image> urls;            ///< those of them that are empty until they are fetched
};

inline constexpr std::size_t most_images = 64;   ///< of a request
inline constexpr std::size_t most_turns = 4096;  ///< of a request

/// Reads `messages`, whose images are placed as message_parts does (pipeline/message_parts.hpp). `fetcher`: what URLs
/// other than data: are allowed; null: none. Nothing is fetched or decoded. Errors name the field.
result<chat_messages> try_read_messages(request_fields& fields, bool start_end, const image_fetcher* fetcher = nullptr);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/chat_messages_inl.hpp>
#endif
