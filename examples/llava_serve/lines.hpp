// SPDX-License-Identifier: Apache-2.0
/// Lines of text from a file, a pipe or a terminal. On a terminal they can be edited, with those before them as a
/// history, if the program is built with libedit.
#pragma once
#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

/// What a wait for a line has brought. `interrupted`: Ctrl-C. `too_long`: a line over the limit, which is skipped.
enum class line_kind { text, end, interrupted, too_long, failed };

/// Reads the lines of a descriptor. A last line without a newline is a line. `failed`: errno has the reason.
class line_reader {
 public:
  line_reader(int descriptor, std::size_t longest) : descriptor_(descriptor), longest_(longest) {}
  /// `line` has no newline.
  line_kind next(std::string& line);
  /// Whether the last line ended with a newline.
  bool had_newline() const { return had_newline_; }

 private:
  int descriptor_;
  std::size_t longest_;
  std::string held_;          // bytes behind the last line
  std::size_t searched_ = 0;  // bytes of held_ without a newline
  bool skips_ = false, at_end_ = false, had_newline_ = false;
};

/// The lines that a user writes.
class line_source {
 public:
  virtual ~line_source() = default;
  /// Shows the prompt and waits for a line. `colour`: the escape sequence in front of the prompt, or empty.
  virtual line_kind next(std::string_view prompt, std::string_view colour, std::string& line) = 0;
};

/// The lines of standard input. `editing`: it is a terminal, on which prompts are shown.
std::unique_ptr<line_source> make_line_source(bool editing, std::size_t longest);

/// Standard output, or standard error if only that is a terminal: where prompts are shown.
std::FILE* prompt_stream();

namespace detail {
/// Edited lines; null if the program is built without libedit, or the terminal cannot do it.
std::unique_ptr<line_source> make_edited_lines();
}  // namespace detail
/// Whether the program is built with libedit.
bool has_line_editing();
