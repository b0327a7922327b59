// SPDX-License-Identifier: Apache-2.0
/// moderator: decides whether what users say may be answered, as the web server of LLaVA does with --moderate.
#pragma once
#include <span>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/hook.hpp>
#include <llava/serve/http_response.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN
namespace serve {

/// Gets the users' texts of a request, a line or more each; true: it is refused. Errors: it could not decide, and the
/// request is refused, too. Several threads may call it at a time. Empty: everything is answered.
using moderator = hook<result<bool>(std::string_view)>;

/// The text of the original program.
inline constexpr std::string_view moderation_message =
    "YOUR INPUT VIOLATES OUR CONTENT MODERATION GUIDELINES. PLEASE TRY AGAIN.";

/// Refuses a text that is flagged. Returns whether it has replied.
inline bool is_refused(const moderator& is_flagged, std::string_view text, const http_response& response) {
  if (!is_flagged) return false;
  const result<bool> flagged = is_flagged(text);
  if (flagged && !*flagged) return false;
  if (flagged)
    response.reply_error(400, moderation_message, "invalid_request_error", "messages", "moderated");
  else
    response.reply_error(503, "The moderation of this server does not work. Try again later.", "server_error", {},
                         "moderation_failed", {{"Retry-After", "5"}});
  return true;
}
inline bool is_refused(const moderator& is_flagged, std::span<const message> turns, const http_response& response) {
  std::string texts;
  if (is_flagged)
    for (const message& m : turns)
      if (m.from == role::user) texts.append(m.text).append("\n");
  return is_refused(is_flagged, texts, response);
}

}  // namespace serve
LLAVA_END
