// SPDX-License-Identifier: Apache-2.0
/// page_record: what the page tells about a conversation, for the log: an answer has ended, or a person has voted.
/// record_line() writes it as a line of LLaVA's log.
///
///   {"type": "chat", "model", "messages": [["user", "..."], ["assistant", "..."]], "images": [data: URL], "seconds"}
///   {"type": "upvote" | "downvote" | "flag", "model", "messages"}
///   {"type": "leftvote" | "rightvote" | "tievote" | "bothbad_vote", "models": [2], "conversations": [2 of messages]}
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>

LLAVA_BEGIN
namespace serve {

/// How a model's conversations begin and are written, for the log.
struct page_template {
  std::string system;
  std::string roles[2] = {"user", "assistant"};
  std::string separator = {}, separator2 = {};  ///< empty: null in the log
  std::vector<std::string> demonstration = {};  ///< turns before every conversation
};

/// The texts of a conversation template; of a folder's own chat template, only its roles are known.
page_template page_template_of(std::string_view conversation);

/// A conversation with a model.
struct page_conversation {
  std::string model;
  std::vector<std::pair<bool, std::string>> messages;  ///< (whether the assistant speaks, its text)
};

/// A record. One conversation, or two for a vote between two models.
struct page_record {
  std::string type;
  std::vector<page_conversation> conversations;
  std::vector<std::vector<std::byte>> images;  ///< encoded files
  double seconds = 0;                          ///< that an answer took

  static constexpr std::size_t most_text = 1 << 20;  ///< bytes of all texts
};

/// Reads the body of a record. Errors name the field, and `param` receives it.
result<page_record> try_read_page_record(std::string_view body, std::string& param);

/// The line, without its end. `now`: seconds since 1970. `templates`: one for each conversation. `hashes`: of the
/// images. Text is escaped as Python's json.dumps does.
std::string record_line(const page_record& record, const std::vector<page_template>& templates,
                        const std::vector<std::string>& hashes, double now, std::string_view ip);

}  // namespace serve
LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/serve/page_record_inl.hpp>
#endif
