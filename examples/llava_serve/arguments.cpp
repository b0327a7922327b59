// SPDX-License-Identifier: Apache-2.0
/// Long options as Python's argparse takes them.
#include <algorithm>
#include <string>
#include <vector>

#include "option_rules.hpp"
#include "serve_command.hpp"

namespace {

/// Matches a long option's beginning with the long options of a command; empty: none, or several.
std::string whole_option(const CLI::App& command, const std::string& begun) {
  std::string found;
  for (const CLI::Option* option : command.get_options())
    for (const std::string& name : option->get_lnames()) {
      if (name == begun) return name;
      if (!name.starts_with(begun)) continue;
      if (!found.empty()) return {};
      found = name;
    }
  return found;
}

}  // namespace

std::vector<std::string> with_whole_options(CLI::App& app, std::vector<std::string> arguments) {
  const auto commands =
      app.get_subcommands([&](const CLI::App* c) { return !arguments.empty() && c->get_name() == arguments.front(); });
  if (commands.empty()) return arguments;
  for (std::string& a : arguments) {
    if (a == "--") break;
    if (!a.starts_with("--")) continue;
    const std::size_t end = std::min(a.find('='), a.size());
    if (const std::string whole = whole_option(*commands.front(), a.substr(2, end - 2)); !whole.empty())
      a = "--" + whole + a.substr(end);
  }
  return arguments;
}
