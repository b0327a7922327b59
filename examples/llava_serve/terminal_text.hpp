// SPDX-License-Identifier: Apache-2.0
/// What `llava chat` shows in a terminal: colours, text that cannot steer the terminal, figures; and names of files as
/// people type them.
#pragma once
#include <llava/generate/settings.hpp>

#include <string>
#include <string_view>

/// Escape sequences; empty where there is no colour.
struct colours {
  std::string_view user, model, note, error, none;

  /// Those of a terminal, unless NO_COLOR is set (https://no-color.org).
  static colours of(int descriptor);
};

/// Replaces control characters, by which a model or a file could steer the terminal.
std::string harmless(std::string_view text);

/// How long an answer took, for people.
std::string stats_of(const llava::answer& a);

/// A file's name as it is written, or as a file manager or a shell gives it: in quotes, with \ in front of spaces, or
/// with ~ for the home folder.
std::string typed_file(const std::string& argument);

/// What a signal that ends the program asks for: to end by it, so that the parent sees it.
void end_by_signal();
