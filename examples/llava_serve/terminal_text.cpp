// SPDX-License-Identifier: Apache-2.0
#include "terminal_text.hpp"

#include <unistd.h>
#include <llava/text/utf8.hpp>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "chat_signals.hpp"

colours colours::of(int descriptor) {
  const char *refused = std::getenv("NO_COLOR"), *terminal = std::getenv("TERM");
  const bool shown = ::isatty(descriptor) != 0 && (!refused || !*refused) && terminal &&
                     std::string_view(terminal) != "dumb" && *terminal;
  if (!shown) return {};
  return {"\x1b[1;32m", "\x1b[1;34m", "\x1b[2m", "\x1b[31m", "\x1b[0m"};
}

std::string harmless(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const llava::utf8_character c = llava::utf8_at(text, at);
    const bool is_control = (c.code < 0x20 && c.code != '\n' && c.code != '\t') || (c.code >= 0x7f && c.code < 0xa0);
    out += c.valid && !is_control ? text.substr(at, c.bytes) : llava::replacement_text;
    at += c.bytes;
  }
  return out;
}

std::string stats_of(const llava::answer& a) {
  if (a.reason == llava::finish_reason::cancelled) return "the last answer was stopped";
  char text[256];
  const auto n = static_cast<double>(a.tokens.size());
  std::snprintf(text, sizeof text,
                "%d tokens of the prompt, %d of them known; first token after %.3f s; %.0f tokens, %.1f a second",
                a.prompt_tokens, a.reused_tokens, a.seconds.prepare + a.seconds.prefill, n,
                a.seconds.decode > 0 && n > 1 ? (n - 1) / a.seconds.decode : 0.);
  return text;
}

std::string typed_file(const std::string& argument) {
  const bool is_quoted = argument.size() > 1 && (argument.front() == '"' || argument.front() == '\'') &&
                         argument.back() == argument.front();
  if (is_quoted) return argument.substr(1, argument.size() - 2);
  std::string file;
  for (std::size_t i = 0; i < argument.size(); ++i)
    if (argument[i] != '\\' || i + 1 == argument.size() || argument[i + 1] != ' ') file += argument[i];
  if (const char* home = std::getenv("HOME"); home && file.starts_with("~/")) file.replace(0, 1, home);
  return file;
}

void end_by_signal() {
  const int number = chat_signals::end_signal();
  if (number == 0) return;
  std::signal(number, SIG_DFL);
  std::raise(number);
}
