// SPDX-License-Identifier: Apache-2.0
#include "lines.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <utility>

#include "chat_signals.hpp"

namespace {

/// Lines as the terminal's driver or a pipe gives them.
class plain_lines final : public line_source {
 public:
  plain_lines(bool prompts, std::size_t longest) : prompts_(prompts), reader_(STDIN_FILENO, longest) {}

  line_kind next(std::string_view prompt, std::string_view colour, std::string& line) override {
    if (prompts_) {
      const std::string shown = colour.empty() ? std::string(prompt) : std::string(colour).append(prompt) + "\x1b[0m";
      std::fwrite(shown.data(), 1, shown.size(), prompt_stream());
      std::fflush(prompt_stream());
    }
    const line_kind kind = reader_.next(line);
    if (line.ends_with('\r')) line.pop_back();  // of a file from Windows
    if (prompts_ && (kind == line_kind::end || kind == line_kind::interrupted)) std::fputs("\n", prompt_stream());
    return kind;
  }

 private:
  bool prompts_;
  line_reader reader_;
};

}  // namespace

line_kind line_reader::next(std::string& line) {
  for (;;) {
    if (const std::size_t end = held_.find('\n', searched_); end != held_.npos) {
      line.assign(held_, 0, end);
      held_.erase(0, end + 1);
      searched_ = 0;
      had_newline_ = true;
      if (std::exchange(skips_, false) || line.size() > longest_) return line_kind::too_long;
      return line_kind::text;
    }
    if (held_.size() > longest_) held_.clear(), skips_ = true;
    searched_ = held_.size();
    if (at_end_) {
      if (held_.empty() && !skips_) return line_kind::end;
      line = std::exchange(held_, {});
      searched_ = 0;
      had_newline_ = false;
      return std::exchange(skips_, false) ? line_kind::too_long : line_kind::text;
    }
    ::pollfd waits[2] = {{descriptor_, POLLIN, 0}, {chat_signals::wake_descriptor(), POLLIN, 0}};
    if (::poll(waits, 2, -1) < 0 && errno != EINTR) return line_kind::failed;
    if (waits[1].revents != 0) chat_signals::take_wake();
    if (chat_signals::end_signal() != 0) return line_kind::end;
    if (chat_signals::take_interrupt()) {
      held_.clear(), searched_ = 0, skips_ = false;
      return line_kind::interrupted;
    }
    if (waits[0].revents == 0) continue;
    const std::size_t before = held_.size();
    held_.resize(before + (std::size_t{1} << 16));
    const ::ssize_t n = ::read(descriptor_, held_.data() + before, held_.size() - before);
    const int number = errno;
    held_.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
    if (n == 0) at_end_ = true;
    errno = number;
    if (n < 0 && number != EINTR && number != EAGAIN) return line_kind::failed;
  }
}

std::FILE* prompt_stream() { return ::isatty(STDOUT_FILENO) != 0 || ::isatty(STDERR_FILENO) == 0 ? stdout : stderr; }

std::unique_ptr<line_source> make_line_source(bool editing, std::size_t longest) {
  if (editing)
    if (auto edited = detail::make_edited_lines()) return edited;
  return std::make_unique<plain_lines>(editing, longest);
}
