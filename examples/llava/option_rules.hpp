// SPDX-License-Identifier: Apache-2.0
/// Rules for the options of all commands of `llava` and `llava-serve`, so that each is written once: help shows every
/// default, and no value is taken that means something else than it says.
#pragma once
#include <CLI/CLI.hpp>

#include <optional>
#include <sstream>
#include <string>

/// Names the program, and makes the options that are added from now on show their defaults.
void begin_options(CLI::App& app);

/// Adds the rules to all options of all commands. An empty text is refused, unless the option may_be_empty. A number is
/// finite. A whole number is decimal and is not cut to 64 bits.
void end_options(CLI::App& app);

/// Marks an option whose text is used as it is: a question, a separator.
void may_be_empty(CLI::Option& option);

/// `--port`
inline const CLI::Range any_port(0, 65535);

/// Shows the value of an std::optional as a default, which CLI11 does not.
template <class T>
CLI::Option* show_default(CLI::Option* option, const std::optional<T>& value) {
  std::ostringstream text;
  if (value) text << *value;
  return option->default_str(text.str());
}
