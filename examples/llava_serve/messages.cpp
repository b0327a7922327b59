// SPDX-License-Identifier: Apache-2.0
#include "messages.hpp"

#include <llava/checkpoint/written_json.hpp>
#include <llava/pipeline/message_parts.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/text/shown.hpp>

#include <algorithm>
#include <initializer_list>
#include <string_view>
#include <utility>

namespace {

llava::error wrong(std::string_view path, std::string_view expected) {
  return llava::fail(llava::errc::invalid_format, llava::text_of("llava: ", path, " must be ", expected));
}

/// An error if the object has members that are neither null nor known: they could change the answer.
llava::result<void> try_know(const llava::json_value& v, const std::string& path,
                             std::initializer_list<std::string_view> known) {
  if (!v.is_object()) return wrong(path, "an object");
  for (const auto& [name, value] : v.members())
    if (!value.is_null() && std::find(known.begin(), known.end(), name) == known.end())
      return llava::fail(llava::errc::unsupported, llava::text_of("llava: ", path, " has '", llava::detail::shown(name),
                                                                  "', which is not supported; remove it"));
  return {};
}

llava::result<std::string> try_text(const llava::json_value& v, const std::string& path, const char* name) {
  const llava::json_value* found = v.find(name);
  if (!found || !found->text()) return wrong(path + "." + name, "a text");
  return *found->text();
}

llava::result<void> try_read_part(const llava::json_value& part, const std::string& path, bool takes_images,
                                  const std::string& folder, llava::message_parts& parts,
                                  std::vector<given_image>& images) {
  LLAVA_CHECK(try_know(part, path, {"type", "text", "image_url"}));
  LLAVA_TRY(type, try_text(part, path, "type"));
  if (type == "text") {
    LLAVA_TRY(text, try_text(part, path, "text"));
    parts.add_text(text);
    return {};
  }
  if (type != "image_url") return wrong(path + ".type", "\"text\" or \"image_url\"");
  if (!takes_images) return wrong(path + ".type", "\"text\": only a user shows images");
  const llava::json_value* of_url = part.find("image_url");
  if (!of_url) return wrong(path + ".image_url", "an object with a url");
  LLAVA_CHECK(try_know(*of_url, path + ".image_url", {"url", "detail"}));
  if (const llava::json_value* detail = of_url->find("detail");
      detail && (!detail->text() || *detail->text() != "auto"))
    return wrong(path + ".image_url.detail", "\"auto\"");
  LLAVA_TRY(url, try_text(*of_url, path + ".image_url", "url"));
  LLAVA_TRY(image, try_read_given_image(url, folder));
  images.push_back(std::move(image));
  parts.add_image();
  return {};
}

llava::result<llava::message> try_read_content(const llava::json_value* v, llava::role from, const std::string& path,
                                               bool start_end, const std::string& folder,
                                               std::vector<given_image>& images) {
  const bool may_be_empty = from == llava::role::assistant;  // it ended at once
  if (v && v->text() && (may_be_empty || !v->text()->empty())) return llava::message{from, *v->text(), 0};
  if (!v || !v->is_array()) return wrong(path, "a text that is not empty, or a list of parts");
  llava::message_parts parts(start_end);
  for (std::size_t i = 0; i < v->items().size(); ++i)
    LLAVA_CHECK(try_read_part(v->items()[i], llava::text_of(path, "[", i, "]"), from == llava::role::user, folder,
                              parts, images));
  if (parts.empty()) return wrong(path, "a text, or parts with a text or an image");
  auto turn = parts.try_message(from);
  if (!turn) return llava::fail(turn.error().code(), llava::text_of(turn.error().sentence(), " (in ", path, ")"));
  return turn;
}

/// The text without the markers that try_place_images has put in front of it.
std::string_view without_markers(std::string_view text, std::size_t images) {
  std::string_view rest = text;
  for (std::size_t i = 0; i < images; ++i) {
    const std::string_view marker =
        rest.starts_with(llava::tagged_image_marker) ? llava::tagged_image_marker : llava::image_marker;
    if (!rest.starts_with(marker) || rest.substr(marker.size(), 1) != "\n") return text;
    rest.remove_prefix(marker.size() + 1);
  }
  return llava::count_image_markers(rest) == 0 && rest.find(llava::image_placeholder) == rest.npos ? rest : text;
}

}  // namespace

llava::result<conversation_text> try_read_messages(const llava::json_value& messages, bool start_end,
                                                   const std::string& folder) {
  conversation_text read;
  if (!messages.is_array()) return wrong("messages", "a list");
  for (std::size_t i = 0; i < messages.items().size(); ++i) {
    const llava::json_value& item = messages.items()[i];
    const std::string path = llava::text_of("messages[", i, "]");
    LLAVA_CHECK(try_know(item, path, {"role", "content"}));
    LLAVA_TRY(name, try_text(item, path, "role"));
    const bool is_system = i == 0 && (name == "system" || name == "developer");
    const bool is_users_turn = read.turns.empty() || read.turns.back().from != llava::role::user;
    if (!is_system && name != (is_users_turn ? "user" : "assistant"))
      return wrong(path + ".role", llava::text_of(i == 0 ? "system or " : "", is_users_turn ? "user" : "assistant",
                                                  ": user and assistant take turns"));
    const llava::role from = is_system       ? llava::role::system
                             : is_users_turn ? llava::role::user
                                             : llava::role::assistant;
    LLAVA_TRY(turn, try_read_content(item.find("content"), from, path + ".content", start_end, folder, read.images));
    read.turns.push_back(std::move(turn));
  }
  return read;
}

std::string messages_json(const std::vector<llava::message>& turns, const std::vector<given_image>& images) {
  static constexpr const char* roles[] = {"user", "assistant", "system", "tool"};
  std::string out = "[";
  std::size_t next = 0;
  for (const llava::message& turn : turns) {
    out += &turn == turns.data() ? "\n  {\"role\": \"" : ",\n  {\"role\": \"";
    out += roles[static_cast<int>(turn.from)];
    out += "\", \"content\": ";
    const std::size_t count = llava::images_in(turn);
    if (count == 0) {
      out += llava::json_string(turn.text) + "}";
      continue;
    }
    out += "[";
    for (std::size_t i = 0; i < count && next < images.size(); ++i, ++next)
      out += "{\"type\": \"image_url\", \"image_url\": {\"url\": \"" + data_url_of(images[next].file) + "\"}}, ";
    out += "{\"type\": \"text\", \"text\": " + llava::json_string(without_markers(turn.text, count)) + "}]}";
  }
  return out + (turns.empty() ? "]" : "\n]");
}
