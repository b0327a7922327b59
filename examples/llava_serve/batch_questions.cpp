// SPDX-License-Identifier: Apache-2.0
#include "batch_questions.hpp"

#include <llava/base/sha256.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/text/utf8.hpp>

#include <string_view>
#include <utility>

#include "command.hpp"
#include "messages.hpp"

namespace {

using llava::serve::python_json_string;

llava::error wrong(std::string_view sentence) {
  return llava::fail(llava::errc::invalid_format, llava::text_of("llava: ", sentence));
}

/// The text of a message: that of its parts, a line each.
std::string text_of_message(const llava::json_value& message) {
  const llava::json_value* content = message.find("content");
  if (!content) return {};
  if (content->text()) return *content->text();
  std::string all;
  for (const llava::json_value& part : content->items())
    if (const llava::json_value* text = part.find("text"); text && text->text())
      all.append(all.empty() ? "" : "\n").append(*text->text());
  return all;
}

/// 22 characters of the alphabet of Python's shortuuid: a number of 128 bits in base 57.
std::string short_id(const llava::sha256_digest& of) {
  constexpr std::string_view alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
  std::string id(22, alphabet.front());
  unsigned number[16];
  for (std::size_t i = 0; i < 16; ++i) number[i] = of.bytes[i];
  for (std::size_t at = id.size(); at-- > 0;) {
    unsigned rest = 0;
    for (unsigned& byte : number) {
      rest = rest << 8 | byte;
      byte = rest / 57;
      rest %= 57;
    }
    id[at] = alphabet[rest];
  }
  return id;
}

std::string begin_line(const question_head& q) {
  return "{\"question_id\": " + q.id + ", \"prompt\": " + python_json_string(q.prompt);
}

}  // namespace

llava::result<llava::json_value> try_read_head(const std::string& line, std::size_t number, question_head& to) {
  to.id = std::to_string(number);
  LLAVA_TRY(root, llava::try_parse_json("the line", line));
  if (!root.is_object()) return wrong("the line is not a JSON object");
  if (const llava::json_value* id = root.find("question_id"); id && !id->is_null()) {
    if (!id->text() && !id->integer()) return wrong("question_id must be a text or an integer");
    to.id = id->text() ? python_json_string(*id->text()) : std::to_string(*id->integer());
  }
  const llava::json_value *text = root.find("text"), *messages = root.find("messages");
  if (text && messages) return wrong("the line has both text and messages; remove one");
  if (messages && (!messages->is_array() || messages->items().empty())) return wrong("messages must be a list");
  if (!messages && (!text || !text->text())) return wrong("the line has no text, the question");
  to.prompt = messages ? text_of_message(messages->items().back()) : *text->text();
  return std::move(root);
}

llava::result<batch_question> try_read_question(const llava::json_value& line, const std::string& prompt,
                                                bool start_end, const std::string& folder) {
  batch_question q;
  const llava::json_value* image = line.find("image");
  if (image && image->is_null()) image = nullptr;
  if (const llava::json_value* messages = line.find("messages")) {
    if (image) return wrong("the line has both image and messages; put the image into a message");
    LLAVA_TRY(read, try_read_messages(*messages, start_end, folder));
    if (read.turns.back().from != llava::role::user) return wrong("messages must end with the user's question");
    q = {std::move(read.turns), std::move(read.images)};
  } else {
    std::vector<llava::json_value> names;
    if (image) names = image->is_array() ? image->items() : std::vector<llava::json_value>{*image};
    for (const llava::json_value& name : names) {
      if (!name.text()) return wrong("image must be the name of a file, or a list of names");
      LLAVA_TRY(one, try_read_given_image(*name.text(), folder));
      q.images.push_back(std::move(one));
    }
    LLAVA_TRY(placed, llava::try_place_images(prompt, q.images.size(), start_end));
    q.turns.push_back({llava::role::user, std::move(placed), static_cast<int>(q.images.size())});
  }
  for (given_image& one : q.images) one.file = {};
  q.turns.push_back({llava::role::assistant, std::string(), 0});  // to be answered
  return q;
}

std::string answer_line(const question_head& q, std::size_t number, const std::string& text, const std::string& model) {
  const std::string begin = begin_line(q) + ", \"text\": " + python_json_string(llava::valid_utf8(text));
  const std::string model_id = python_json_string(llava::valid_utf8(model));
  const std::string named = begin + model_id + std::to_string(number);
  llava::sha256 hash;
  hash.update(std::as_bytes(std::span(named)));
  return begin + ", \"answer_id\": \"" + short_id(hash.digest()) + "\", \"model_id\": " + model_id +
         ", \"metadata\": {}}\n";
}

std::string failure_line(const question_head& q, const llava::error& e, const std::string& model) {
  return begin_line(q) + ", \"error\": {\"code\": \"" + std::string(name_of(e.code())) +
         "\", \"message\": " + python_json_string(llava::valid_utf8(e.sentence())) +
         "}, \"model_id\": " + python_json_string(llava::valid_utf8(model)) + "}\n";
}
