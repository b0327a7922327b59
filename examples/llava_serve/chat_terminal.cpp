// SPDX-License-Identifier: Apache-2.0
/// llava chat in a terminal, or over pipes. Answers go to standard output, all else to standard error, but for the
/// prompts of a terminal.
#include <unistd.h>
#include <llava/checkpoint/written_json.hpp>
#include <llava/pipeline/session.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/utf8.hpp>

#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "chat_command.hpp"
#include "chat_signals.hpp"
#include "lines.hpp"
#include "terminal_text.hpp"

namespace {

constexpr const char* help = R"(A line is a question. A line that ends with \ goes on in the next; """ begins and ends
a block of lines. A question that begins with / is written with a space in front.
  /image FILE     show an image with the next question: an image file, its address, or a data: URL
  /regenerate     answer the last question again
  /undo           take back the images of the next question, or else the last question and its answer
  /system TEXT    set the system text; without TEXT: the model's own
  /clear          begin anew; the system text stays
  /save FILE      write the conversation and its images as JSON
  /load FILE      go on with a saved conversation
  /stats          how long the last answer took
  /help           these lines
  /exit           end, as Ctrl-D does
Ctrl-C stops an answer; twice where a question is awaited, it ends the program.)";

class terminal_chat {
 public:
  terminal_chat(dialogue& chat, const chat_options& o)
      : chat_(chat),
        options_(o),
        is_terminal_(::isatty(STDIN_FILENO) != 0),
        shows_(::isatty(STDOUT_FILENO) != 0),
        out_(colours::of(STDOUT_FILENO)),
        err_(colours::of(STDERR_FILENO)),
        lines_(make_line_source(is_terminal_, longest_question)) {}

  int run() {
    if (is_terminal_)
      note(llava::text_of("llava: talking to ", options_.settings.model_name,
                          ". /help lists the commands; Ctrl-D ends.",
                          has_line_editing() ? "" : " Lines cannot be edited: this build is without libedit."));
    for (const given_image& image : chat_.attached())
      if (is_terminal_) note("shown with the first question: " + image.name);
    for (bool asked_to_end = false; !ends_;) {
      std::string text;
      switch (read(text)) {
        case line_kind::end:
          return code();
        case line_kind::failed:
          error("llava: standard input cannot be read");
          return 1;
        case line_kind::too_long:
          error(llava::text_of("llava: a line has more than ", longest_question, " bytes"));
          break;
        case line_kind::interrupted:
          if (std::exchange(asked_to_end, true)) return code();
          note("Ctrl-C again ends; so does Ctrl-D.");
          continue;
        case line_kind::text:
          obey(text);
          break;
      }
      asked_to_end = false;
      if (chat_signals::end_signal() != 0) return code();
    }
    return code();
  }

 private:
  /// Over pipes a failure is told at the end too.
  int code() const { return failed_ && !is_terminal_ ? 1 : 0; }

  void note(std::string_view text) { tell(err_.note, text); }
  void error(std::string_view text) {
    failed_ = true;
    tell(err_.error, text);
  }
  void tell(std::string_view colour, std::string_view text) {
    const std::string line = text_in(colour, harmless(text), err_.none) + "\n";
    std::fwrite(line.data(), 1, line.size(), stderr);
  }
  static std::string text_in(std::string_view colour, std::string_view text, std::string_view none) {
    return std::string(colour).append(text).append(none);
  }

  /// Reads a question or a command: a line, lines joined by \, or a block between """.
  line_kind read(std::string& text) {
    const std::string_view colour = prompt_stream() == stdout ? out_.user : err_.user;
    constexpr std::string_view block = "\"\"\"";
    line_kind kind = lines_->next("USER: ", colour, text);
    if (kind != line_kind::text) return kind;
    std::string line;
    if (text.starts_with(block)) {
      text.erase(0, block.size());
      while (!text.ends_with(block)) {
        kind = lines_->next("... ", colour, line);
        if (kind == line_kind::end) break;
        if (kind != line_kind::text) return kind;
        text += "\n" + line;
        if (text.size() > longest_question) return line_kind::too_long;
      }
      if (text.ends_with(block)) text.resize(text.size() - block.size());
      if (text.starts_with('/')) text.insert(0, " ");  // a block is a question
      return line_kind::text;
    }
    while (text.ends_with('\\')) {
      text.back() = '\n';
      kind = lines_->next("... ", colour, line);
      if (kind == line_kind::end) break;
      if (kind != line_kind::text) return kind;
      text += line;
      if (text.size() > longest_question) return line_kind::too_long;
    }
    return line_kind::text;
  }

  void obey(const std::string& given) {
    const std::string text = llava::valid_utf8(given);
    if (!text.starts_with('/')) {
      if (const std::string_view question = llava::stripped(text); !question.empty()) answer(question);
      return;
    }
    const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    const std::string_view name = std::string_view(text).substr(0, end);
    const std::string argument(llava::stripped(std::string_view(text).substr(end)));
    const std::string file = typed_file(argument);
    const auto needs_file = [&] {
      if (file.empty()) error(llava::text_of("llava: ", name, " needs the name of a file"));
      return !file.empty();
    };
    for (const char* const alone : {"/help", "/exit", "/quit", "/stats", "/regenerate", "/clear", "/undo"})
      if (name == alone && !argument.empty())
        return error(llava::text_of("llava: ", name, " stands alone on its line, found ",
                                    llava::detail::shown(argument), " behind it; nothing was done"));
    if (name == "/help") return tell("", help);
    if (name == "/exit" || name == "/quit") return void(ends_ = true);
    if (name == "/stats") return note(last_ ? stats_of(*last_) : "no answer yet");
    if (name == "/regenerate") return answer(std::nullopt);
    if (name == "/image") return needs_file() ? attach(file) : void();
    if (name == "/save") return needs_file() ? done(chat_.try_save(file), "saved as " + argument) : void();
    if (name == "/load") return needs_file() ? load(file) : void();
    if (name == "/system") {
      return done(chat_.try_set_system(argument), argument.empty() ? "the model's own system text" : "system text set");
    }
    if (name == "/clear") {
      chat_.clear();
      return note("a new conversation");
    }
    if (name == "/undo") return undo();
    error(llava::text_of("llava: there is no command ", llava::detail::shown(name), "; /help lists them"));
  }

  void done(const llava::result<void>& r, std::string_view said) {
    if (!r) return error(r.error().sentence());
    if (is_terminal_) note(said);
  }
  void undo() {
    if (const std::size_t n = chat_.attached().size(); n > 0) {
      chat_.detach_after(0);
      return note(llava::text_of(n == 1 ? "the image is" : "the images are", " not shown"));
    }
    done(chat_.try_undo(), "the last question and its answer are taken back");
  }
  void load(const std::string& file) {
    const auto loaded = chat_.try_load(file);
    done(loaded, llava::text_of("a conversation of ", chat_.turns() / 2, " questions and ", chat_.state().images.size(),
                                " images"));
  }
  void attach(const std::string& file) {
    const auto image = chat_.try_attach(file);
    if (!image) return error(image.error().sentence());
    if (is_terminal_)
      note(llava::text_of("shown with the next question: ", (*image)->name, ", ", (*image)->pixels.width(), " x ",
                          (*image)->pixels.height()));
  }
  /// Answers a question, or the last one again.
  void answer(std::optional<std::string_view> question) {
    chat_signals::take_interrupt();
    trimmed_pieces pieces;
    bool has_label = !shows_;
    const auto show = [&](std::string_view piece) {
      const std::string text = pieces.push(piece);
      if (text.empty()) return;
      if (!std::exchange(has_label, true)) print(text_in(out_.model, "ASSISTANT: ", out_.none));
      print(shows_ ? harmless(text) : text);
    };
    const auto a = question ? chat_.try_ask(*question, show) : chat_.try_ask_again(show);
    chat_signals::take_interrupt();
    if (!a) {
      if (a.error().code() == llava::errc::cancelled) return note("stopped");
      error(a.error().sentence());
      if (a.error().code() == llava::errc::context_full) note("/undo and /clear make room");
      return;
    }
    if (!has_label) print(text_in(out_.model, "ASSISTANT: ", out_.none));
    print("\n");
    last_ = *a;
    if (a->reason == llava::finish_reason::cancelled) note("stopped");
    if (a->reason == llava::finish_reason::length) note("cut off by --max-new-tokens");
    if (a->reason == llava::finish_reason::context_full)
      note("cut off: the model's context is full; /clear makes room");
    if (options_.verbose) note(stats_of(*a));
    if (options_.debug) debug(*a);
  }

  void debug(const llava::answer& a) {
    const auto prompt = chat_.try_last_prompt();
    note("{\"prompt\": " + llava::json_string(prompt ? *prompt : "") +
         ", \"outputs\": " + llava::json_string(llava::valid_utf8(chat_.with_special_tokens(a))) + "}");
  }

  dialogue& chat_;
  const chat_options& options_;
  const bool is_terminal_, shows_;
  const colours out_, err_;
  std::unique_ptr<line_source> lines_;
  std::optional<llava::answer> last_;
  bool ends_ = false, failed_ = false;
};

}  // namespace

int run_chat(dialogue& chat, const chat_options& o) {
  const int code = terminal_chat(chat, o).run();
  end_by_signal();
  return code;
}
