// SPDX-License-Identifier: Apache-2.0
/// llava chat --json: an object on a line asks for something, and an object on a line is the reply (docs/chat.md).
#include <unistd.h>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/written_json.hpp>
#include <llava/text/shown.hpp>

#include <algorithm>
#include <cstdio>
#include <initializer_list>
#include <optional>
#include <utility>

#include "chat_command.hpp"
#include "chat_signals.hpp"
#include "lines.hpp"
#include "terminal_text.hpp"

namespace {

constexpr std::size_t longest_line = std::size_t{128} << 20;  // images come as data: URLs

std::string error_json(const llava::error& e) {
  return "{\"code\": \"" + std::string(name_of(e.code())) +
         "\", \"message\": " + llava::json_string(llava::valid_utf8(e.sentence())) + "}";
}

/// The members of a request.
class request {
 public:
  explicit request(const llava::json_value& v) : v_(v) {}

  llava::error wrong(std::string_view name, std::string_view expected) const {
    return llava::fail(llava::errc::invalid_argument, llava::text_of("llava: \"", name, "\" must be ", expected));
  }
  /// Errors: a member that is none of these.
  llava::result<void> try_know(std::initializer_list<std::string_view> known) const {
    for (const auto& [name, value] : v_.members())
      if (name != "do" && name != "id" && std::find(known.begin(), known.end(), name) == known.end())
        return llava::fail(llava::errc::invalid_argument, llava::text_of("llava: \"", llava::detail::shown(name),
                                                                         "\" is not a member of this request"));
    return {};
  }
  llava::result<std::string> try_text(std::string_view name) const {
    const llava::json_value* v = v_.find(name);
    if (!v || !v->text()) return wrong(name, "a text");
    return *v->text();
  }
  llava::result<bool> try_flag(std::string_view name) const {
    const llava::json_value* v = v_.find(name);
    if (!v) return false;
    if (!v->boolean()) return wrong(name, "true or false");
    return *v->boolean();
  }
  llava::result<std::vector<std::string>> try_texts(std::string_view name) const {
    std::vector<std::string> all;
    const llava::json_value* v = v_.find(name);
    if (v && !v->is_array()) return wrong(name, "a list of texts");
    if (v)
      for (const llava::json_value& one : v->items()) {
        if (!one.text()) return wrong(name, "a list of texts");
        all.push_back(*one.text());
      }
    return all;
  }

 private:
  const llava::json_value& v_;
};

class json_chat {
 public:
  explicit json_chat(dialogue& chat) : chat_(chat) {}

  int run() {
    line_reader lines(STDIN_FILENO, longest_line);
    for (std::string line;;) {
      const line_kind kind = lines.next(line);
      if (kind == line_kind::failed) give_up(llava::fail(llava::errc::io, "llava: standard input cannot be read"));
      if (kind == line_kind::end || kind == line_kind::interrupted) return 0;
      id_.clear();
      if (kind == line_kind::too_long)
        refuse(llava::fail(llava::errc::unsupported,
                           llava::text_of("llava: a line has more than ", longest_line, " bytes")));
      else if (!llava::stripped(line).empty())
        if (const auto done = try_obey(line); !done) refuse(done.error());
    }
  }

 private:
  void reply(const std::string& members) { print("{" + id_ + members + "}\n"); }
  void refuse(const llava::error& e) { reply("\"error\": " + error_json(e)); }
  llava::result<void> try_reply_state() {
    reply(llava::text_of("\"turns\": ", chat_.turns(), ", \"images\": ", chat_.state().images.size()));
    return {};
  }

  llava::result<void> try_obey(const std::string& line) {
    LLAVA_TRY(root, llava::try_parse_json("the line", line, llava::repeated_keys::refused));
    if (!root.is_object()) return llava::fail(llava::errc::invalid_format, "llava: the line is not a JSON object");
    const request asked(root);
    if (const llava::json_value* id = root.find("id")) {
      if (!id->text() && !id->integer()) return asked.wrong("id", "a text or an integer");
      id_ = "\"id\": " + (id->text() ? llava::json_string(*id->text()) : std::to_string(*id->integer())) + ", ";
    }
    std::string what = "ask";
    if (root.find("do")) {
      LLAVA_TRY(named, asked.try_text("do"));
      what = named;
    }
    if (what == "ask" || what == "regenerate") return try_answer(asked, what == "ask");
    if (what == "save" || what == "load") {
      LLAVA_CHECK(asked.try_know({"file"}));
      LLAVA_TRY(file, asked.try_text("file"));
      LLAVA_CHECK(what == "save" ? chat_.try_save(file) : chat_.try_load(file));
    } else if (what == "system") {
      LLAVA_CHECK(asked.try_know({"text"}));
      LLAVA_TRY(text, asked.try_text("text"));
      LLAVA_CHECK(chat_.try_set_system(text));
    } else if (what == "undo" || what == "clear" || what == "state") {
      LLAVA_CHECK(asked.try_know({}));
      if (what == "undo") LLAVA_CHECK(chat_.try_undo());
      if (what == "clear") chat_.clear();
    } else {
      return asked.wrong("do", "ask, regenerate, undo, clear, system, save, load or state");
    }
    return try_reply_state();
  }

  llava::result<void> try_answer(const request& asked, bool is_new) {
    std::string question;
    const std::size_t before = chat_.attached().size();  // those of --image-file go with the first question
    if (is_new) {
      LLAVA_CHECK(asked.try_know({"text", "images", "stream"}));
      LLAVA_TRY(text, asked.try_text("text"));
      if (text.size() > longest_question)
        return asked.wrong("text", llava::text_of("of at most ", longest_question, " bytes"));
      LLAVA_TRY(images, asked.try_texts("images"));
      for (const std::string& image : images)
        if (auto read = chat_.try_attach(image); !read) {
          chat_.detach_after(before);
          return std::move(read).error();
        }
      if (text.empty() && chat_.attached().empty()) return asked.wrong("text", "a text, or a text with an image");
      question = std::move(text);
    } else {
      LLAVA_CHECK(asked.try_know({"stream"}));
    }
    const auto stream = asked.try_flag("stream");
    if (!stream) {
      chat_.detach_after(before);
      return stream.error();
    }
    trimmed_pieces pieces;
    const auto show = [&](std::string_view piece) {
      const std::string text = pieces.push(piece);
      if (*stream && !text.empty()) reply("\"delta\": " + llava::json_string(text));
    };
    chat_signals::take_interrupt();
    const auto a = is_new ? chat_.try_ask(question, show) : chat_.try_ask_again(show);
    chat_signals::take_interrupt();
    if (!a) {
      chat_.detach_after(before);
      return a.error();
    }
    char seconds[128];
    std::snprintf(seconds, sizeof seconds, "{\"prepare\": %.6f, \"prefill\": %.6f, \"decode\": %.6f}",
                  a->seconds.prepare, a->seconds.prefill, a->seconds.decode);
    reply("\"text\": " + llava::json_string(a->text) + ", \"finish_reason\": \"" + std::string(name_of(a->reason)) +
          llava::text_of("\", \"prompt_tokens\": ", a->prompt_tokens, ", \"reused_tokens\": ", a->reused_tokens,
                         ", \"new_tokens\": ", a->tokens.size(), ", \"seconds\": ", seconds));
    return {};
  }

  dialogue& chat_;
  std::string id_;  // of the request, as the beginning of its replies
};

}  // namespace

int run_json_chat(dialogue& chat) {
  const int code = json_chat(chat).run();
  end_by_signal();
  return code;
}
