// SPDX-License-Identifier: Apache-2.0
/// Fetches the images that a user names by an http or https address.
#include <llava/image/file.hpp>
#include <llava/serve/http_client.hpp>
#include <llava/text/shown.hpp>

#include "given_image.hpp"
#include "serve_command.hpp"

namespace serve = llava::serve;

llava::result<std::vector<std::byte>> try_fetch_image(const std::string& address) {
  constexpr int most_redirects = 5;
  serve::http_call call;
  call.method = "GET";
  call.url = address;
  call.longest = llava::image_limits{}.file_bytes;
  call.total = std::chrono::seconds(60);
  LLAVA_TRY(tls, try_make_tls());
  call.tls = tls;
  for (int redirects = 0;; ++redirects) {
    LLAVA_TRY(reply, serve::try_call(call));
    if (reply.status == 200) {
      const auto bytes = std::as_bytes(std::span(reply.body));
      return std::vector<std::byte>(bytes.begin(), bytes.end());
    }
    const std::string_view next = reply.header("location");
    if (reply.status / 100 != 3 || next.find("://") == next.npos || redirects == most_redirects)
      return llava::fail(llava::errc::io,
                         llava::text_of("llava: ", llava::detail::shown(call.url), " answered with status ",
                                        reply.status, ", not with an image"));
    call.url = next;
  }
}
