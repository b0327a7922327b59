// SPDX-License-Identifier: Apache-2.0
/// Definitions of page_record.hpp.
#pragma once
#include <algorithm>
#include <cstdio>
#include <string>

#include <llava/checkpoint/json.hpp>
#include <llava/image/image.hpp>
#include <llava/serve/base64.hpp>
#include <llava/serve/chat_messages.hpp>
#include <llava/serve/page_record.hpp>
#include <llava/serve/python_json.hpp>
#include <llava/serve/request_fields.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

/// Reads [["user", "..."], ["assistant", "..."], ...]. `left`: bytes of text that may still come.
inline result<std::vector<std::pair<bool, std::string>>> try_read_record_messages(const request_fields& fields,
                                                                                  const std::string& name,
                                                                                  const json_value* v,
                                                                                  std::size_t& left) {
  constexpr std::string_view expected = "a list of pairs [\"user\" or \"assistant\", text]";
  if (!v || !v->is_array() || v->items().empty() || v->items().size() > most_turns)
    return fields.must_be(name, expected);
  std::vector<std::pair<bool, std::string>> read;
  for (const json_value& m : v->items()) {
    if (m.items().size() != 2) return fields.must_be(name, expected);
    const std::string *const who = m.items()[0].text(), *const text = m.items()[1].text();
    if (!who || (*who != "user" && *who != "assistant") || !text) return fields.must_be(name, expected);
    if (text->size() > left)
      return fields.refuse(name, text_of("has too much text: a record may have ", page_record::most_text, " bytes"));
    left -= text->size();
    read.emplace_back(*who == "assistant", *text);
  }
  return read;
}

inline result<std::vector<std::byte>> try_read_record_image(const request_fields& fields, const json_value& v) {
  constexpr std::string_view expected = "a list of data:image/...;base64,... URLs";
  const std::string* const url = v.text();
  const std::size_t comma = url ? url->find(',') : std::string::npos;
  if (!url || !url->starts_with("data:image/") || comma == url->npos ||
      !std::string_view(*url).substr(0, comma).ends_with(";base64"))
    return fields.must_be("images", expected);
  if (url->size() / 4 * 3 > image_limits{}.file_bytes + 3) return fields.refuse("images", "has a file of over 20 MiB");
  auto bytes = base64_decoded(std::string_view(*url).substr(comma + 1));
  if (bytes && bytes->empty()) return fields.refuse("images", "has an empty image");
  if (!bytes) return fields.must_be("images", expected);
  return *std::move(bytes);
}

/// A time in seconds, rounded to four places, as Python writes it.
inline std::string python_time(double seconds) {
  char text[40];
  std::snprintf(text, sizeof text, "%.4f", seconds);
  std::string out = text;
  while (out.ends_with('0') && !out.ends_with(".0")) out.pop_back();
  return out;
}

/// The state of a conversation, as LLaVA's Conversation.dict().
inline std::string state_json(const page_conversation& c, const page_template& t) {
  const auto or_null = [](const std::string& text) { return text.empty() ? "null" : python_json_string(text); };
  std::string out = "{\"system\": " + python_json_string(t.system) + ", \"roles\": [" + python_json_string(t.roles[0]) +
                    ", " + python_json_string(t.roles[1]) + "], \"messages\": [";
  std::string_view comma;
  const auto add = [&](bool is_answer, const std::string& text) {
    out.append(comma).append("[").append(python_json_string(t.roles[is_answer])).append(", ");
    out.append(python_json_string(text)).append("]");
    comma = ", ";
  };
  for (std::size_t i = 0; i < t.demonstration.size(); ++i) add(i % 2 == 1, t.demonstration[i]);
  for (const auto& [is_answer, text] : c.messages) add(is_answer, text);
  return out + text_of("], \"offset\": ", t.demonstration.size(), ", \"sep\": ", or_null(t.separator),
                       ", \"sep2\": ", or_null(t.separator2), "}");
}

}  // namespace detail

LLAVA_INLINE page_template page_template_of(std::string_view conversation) {
  page_template made;
  const auto found = any_conversation::try_named(conversation);
  if (!found) return made;
  const template_texts& texts = found->form().texts;
  made.system = texts.system;
  for (std::size_t i = 0; i < 2; ++i) made.roles[i] = texts.roles[i];
  made.separator = texts.separator, made.separator2 = texts.separator2;
  made.demonstration.assign(texts.demonstration.begin(), texts.demonstration.end());
  return made;
}

LLAVA_INLINE result<page_record> try_read_page_record(std::string_view body, std::string& param) {
  LLAVA_TRY(root, try_parse_json("the body", body, repeated_keys::refused, &param));
  if (!root.is_object()) return fail(errc::invalid_format, "the body must be a JSON object");
  request_fields fields(root, {}, param);
  page_record read;
  LLAVA_TRY(type, fields.text("type"));
  read.type = type.value_or("");
  const auto is_one_of = [&](std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), read.type) != names.end();
  };
  const bool is_pair = is_one_of({"leftvote", "rightvote", "tievote", "bothbad_vote"});
  if (!is_pair && !is_one_of({"chat", "upvote", "downvote", "flag"})) return fields.must_be("type", "a known one");
  std::size_t left = page_record::most_text;
  const auto add = [&](const json_value* name, const std::string& of_name, const json_value* messages,
                       const std::string& of_messages) -> result<void> {
    if (!name || !name->text() || name->text()->empty() || name->text()->size() > 1024)
      return fields.must_be(of_name, "the name of a model");
    LLAVA_TRY(turns, detail::try_read_record_messages(fields, of_messages, messages, left));
    read.conversations.push_back({*name->text(), std::move(turns)});
    return {};
  };
  if (is_pair) {
    const json_value *const names = fields.take("models"), *const all = fields.take("conversations");
    if (!names || names->items().size() != 2) return fields.must_be("models", "the names of two models");
    if (!all || all->items().size() != 2) return fields.must_be("conversations", "two lists of messages");
    for (std::size_t i = 0; i < 2; ++i)
      LLAVA_CHECK(add(&names->items()[i], "models", &all->items()[i], "conversations"));
  } else {
    LLAVA_CHECK(add(fields.take("model"), "model", fields.take("messages"), "messages"));
  }
  if (read.type == "chat") {
    LLAVA_TRY(seconds, fields.number("seconds", 0, 1e6, "0 to 1000000"));
    read.seconds = static_cast<double>(seconds.value_or(0.f));
    if (const json_value* v = fields.take("images")) {
      if (!v->is_array() || v->items().size() > most_images)
        return fields.must_be("images", text_of("a list of at most ", most_images, " data: URLs"));
      for (const json_value& image : v->items()) {
        LLAVA_TRY(bytes, detail::try_read_record_image(fields, image));
        read.images.push_back(std::move(bytes));
      }
    }
  }
  LLAVA_CHECK(fields.try_finish());
  return read;
}

LLAVA_INLINE std::string record_line(const page_record& record, const std::vector<page_template>& templates,
                                     const std::vector<std::string>& hashes, double now, std::string_view ip) {
  const auto list = [](std::size_t n, auto&& one) {
    std::string out = "[";
    for (std::size_t i = 0; i < n; ++i) out.append(i > 0 ? ", " : "").append(one(i));
    return out + "]";
  };
  const auto& all = record.conversations;
  const auto model = [&](std::size_t i) { return python_json_string(all[i].model); };
  const auto state = [&](std::size_t i) { return detail::state_json(all[i], templates[i]); };
  std::string out = "{\"tstamp\": " + detail::python_time(now) + ", \"type\": " + python_json_string(record.type);
  if (all.size() == 2) {
    out += ", \"models\": " + list(2, model) + ", \"states\": " + list(2, state);
  } else {
    out += ", \"model\": " + model(0);
    if (record.type == "chat")
      out += ", \"start\": " + detail::python_time(now - record.seconds) + ", \"finish\": " + detail::python_time(now);
    out += ", \"state\": " + state(0);
    if (record.type == "chat")
      out += ", \"images\": " + list(hashes.size(), [&](std::size_t i) { return python_json_string(hashes[i]); });
  }
  return out + ", \"ip\": " + python_json_string(ip) + "}";
}

}  // namespace serve
LLAVA_END
