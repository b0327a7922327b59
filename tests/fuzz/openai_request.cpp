// SPDX-License-Identifier: Apache-2.0
/// The body of a request of OpenAI's API (R9): a completion if the first byte is 0, otherwise a chat. An error names a
/// field, or the body; what is accepted is within the limits.
#include <string>
#include <string_view>

#include <llava/generate/settings.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/openai_reply_inl.hpp>
#include <llava/serve/openai_request.hpp>

#include "fuzz.hpp"

namespace {
namespace serve = llava::serve;

/// The reply of an error is JSON, of a status that blames the client, without a pointer.
void check_refusal(const llava::error& e, const std::string& param) {
  const serve::error_reply r = serve::reply_of(e);
  fuzz::require(r.status == 400 && !r.message.empty() && !r.message.starts_with("llava: "));
  fuzz::require(
      static_cast<bool>(llava::try_parse_json("a reply", serve::error_json(r.message, r.type, param, r.code))));
}

void check(const serve::openai_request& q) {
  const serve::answer_fields& a = q.answers;
  fuzz::require(a.n >= 1 && a.n <= serve::most_answers && a.settings.max_new_tokens.value_or(1) >= 1);
  fuzz::require(static_cast<bool>(llava::try_check(a.settings)));
  fuzz::require(q.is_chat != q.chat.turns.empty() && q.chat.files.size() <= serve::most_images);
  int images = 0;
  for (const llava::message& m : q.chat.turns) images += m.images;
  fuzz::require(static_cast<std::size_t>(images) == q.chat.files.size());
  for (const auto& file : q.chat.files) fuzz::require(!file.empty() && file.size() <= llava::image_limits{}.file_bytes);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size == 0) return 0;
  std::string param;
  const auto body = serve::try_parse_body(fuzz::text(bytes + 1, size - 1), param);
  if (!body) return check_refusal(body.error(), param), 0;
  serve::request_fields fields(*body, {}, param);
  const auto name = fields.text("model");
  if (!name) return check_refusal(name.error(), param), 0;
  const auto read = bytes[0] == 0 ? serve::try_read_completion(fields) : serve::try_read_chat(fields, bytes[0] == 1);
  if (!read) {
    fuzz::require(!param.empty());
    return check_refusal(read.error(), param), 0;
  }
  check(*read);
  return 0;
}
