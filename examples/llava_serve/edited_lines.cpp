// SPDX-License-Identifier: Apache-2.0
/// Lines that are edited on a terminal, by libedit. Its own reading of characters is replaced: it would miss a Ctrl-C
/// that comes between two keys, and drop what is not valid UTF-8.
#include "lines.hpp"

#if LLAVA_COMMAND_EDITS
#include <histedit.h>
#include <poll.h>
#include <unistd.h>
#include <llava/text/utf8.hpp>

#include <clocale>
#include <cstdio>
#include <cstdlib>
#include <cwchar>

#include "chat_signals.hpp"

namespace {

class edited_lines final : public line_source {
 public:
  edited_lines() {
    // Characters have more than one byte. A system without a locale has C.UTF-8.
    if (!std::setlocale(LC_CTYPE, "") || MB_CUR_MAX == 1) std::setlocale(LC_CTYPE, "C.UTF-8");
    edit_ = ::el_init("llava", stdin, prompt_stream(), stderr);
    history_ = ::history_init();
    if (!edit_ || !history_) return;
    HistEvent event;
    ::history(history_, &event, H_SETSIZE, 1000);
    ::history(history_, &event, H_SETUNIQUE, 1);
    ::el_set(edit_, EL_CLIENTDATA, this);
    ::el_set(edit_, EL_PROMPT_ESC, &prompt_of, mark);
    ::el_set(edit_, EL_EDITOR, "emacs");
    ::el_set(edit_, EL_HIST, ::history, history_);
    ::el_set(edit_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
    ::el_set(edit_, EL_BIND, "\\e[1~", "ed-move-to-beg", nullptr);
    ::el_set(edit_, EL_BIND, "\\e[4~", "ed-move-to-end", nullptr);
    ::el_set(edit_, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
    ::el_source(edit_, nullptr);  // the user's ~/.editrc
    ::el_set(edit_, EL_GETCFN, &next_character);
    int edits = 0;  // not on a terminal that cannot move its cursor
    ::el_get(edit_, EL_EDITMODE, &edits);
    is_ready_ = edits != 0;
  }
  ~edited_lines() override {
    if (edit_) ::el_end(edit_);
    if (history_) ::history_end(history_);
  }
  edited_lines(const edited_lines&) = delete;
  edited_lines& operator=(const edited_lines&) = delete;

  bool is_ready() const { return is_ready_; }

  line_kind next(std::string_view prompt, std::string_view colour, std::string& line) override {
    const std::string marks(1, mark);
    prompt_ = colour.empty() ? std::string(prompt)
                             : marks + std::string(colour) + marks + std::string(prompt) + marks + "\x1b[0m" + marks;
    was_interrupted_ = false;
    ::el_set(edit_, EL_PREP_TERM, 1);  // before the prompt: a key that answers it at once is not the driver's
    int count = 0;
    const char* text = ::el_gets(edit_, &count);
    if (was_interrupted_ || !text || count <= 0) {
      std::fputs("\n", prompt_stream());
      std::fflush(prompt_stream());
      return was_interrupted_ ? line_kind::interrupted : line_kind::end;
    }
    line = text;
    while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
    HistEvent event;
    if (!line.empty()) ::history(history_, &event, H_ENTER, line.c_str());
    return line_kind::text;
  }

 private:
  static constexpr char mark = '\1';  // stands around what takes no room in the prompt

  static edited_lines& of(EditLine* edit) {
    void* self = nullptr;
    ::el_get(edit, EL_CLIENTDATA, &self);
    return *static_cast<edited_lines*>(self);
  }
  static char* prompt_of(EditLine* edit) { return of(edit).prompt_.data(); }

  /// Waits for a byte. Returns -1 on Ctrl-C and when the program is to end, 0 at the end of the input.
  static int next_byte(EditLine* edit, char& byte) {
    for (;;) {
      ::pollfd waits[2] = {{STDIN_FILENO, POLLIN, 0}, {chat_signals::wake_descriptor(), POLLIN, 0}};
      ::poll(waits, 2, -1);
      if (waits[1].revents != 0) {
        const chat_signals::wake why = chat_signals::take_wake();
        if (why.resized) ::el_resize(edit);
        if (why.continued) {  // the shell has changed the terminal's settings
          ::el_set(edit, EL_PREP_TERM, 0);
          ::el_set(edit, EL_PREP_TERM, 1);
          ::el_set(edit, EL_REFRESH);
        }
      }
      if (chat_signals::end_signal() != 0) return -1;
      if (chat_signals::take_interrupt()) {
        of(edit).was_interrupted_ = true;
        return -1;
      }
      if (waits[0].revents != 0) return static_cast<int>(::read(STDIN_FILENO, &byte, 1));
    }
  }

  static int next_character(EditLine* edit, wchar_t* to) {
    std::string bytes;
    for (;;) {
      char byte = 0;
      const int n = next_byte(edit, byte);
      if (n <= 0) return n;
      bytes += byte;
      const llava::utf8_character c = llava::utf8_at(bytes, 0);
      if (!c.valid && c.cut_short) continue;
      *to = static_cast<wchar_t>(c.code);
      return 1;
    }
  }

  EditLine* edit_ = nullptr;
  ::History* history_ = nullptr;
  std::string prompt_;
  bool is_ready_ = false, was_interrupted_ = false;
};

}  // namespace

std::unique_ptr<line_source> detail::make_edited_lines() {
  auto made = std::make_unique<edited_lines>();
  if (!made->is_ready()) return nullptr;
  return made;
}
bool has_line_editing() { return true; }

#else

std::unique_ptr<line_source> detail::make_edited_lines() { return nullptr; }
bool has_line_editing() { return false; }

#endif
