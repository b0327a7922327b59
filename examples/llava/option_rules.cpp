// SPDX-License-Identifier: Apache-2.0
#include "option_rules.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <string_view>

namespace {

constexpr const char* emptiness = "may be empty";

bool is_marked(CLI::Option& option) {
  try {
    option.get_validator(emptiness);
    return true;
  } catch (const CLI::OptionNotFound&) {
    return false;
  }
}

std::string refuse_empty(std::string& text) {
  return text.empty() ? "expected a value, found an empty text; leave the option out for its default" : std::string();
}

/// Rewrites the number without leading zeros, which would make it octal.
template <class T>
std::string read_whole(std::string& text) {
  T value{};
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, value);
  if (failure != std::errc() || end != last)
    return "expected a whole number from " + std::to_string(std::numeric_limits<T>::min()) + " to " +
           std::to_string(std::numeric_limits<T>::max()) + ", found " + text;
  text = std::to_string(value);
  return {};
}

std::string refuse_infinite(std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  return !text.empty() && *end == '\0' && std::isfinite(value) ? std::string() : "expected a number, found " + text;
}

void add_rules(CLI::Option& option) {
  if (option.get_items_expected_max() == 0) return;  // a flag
  if (option.get_default_str() == "[]") option.default_str("");
  const std::string type = option.get_type_name();
  // Each rule comes before those of the option itself; the last one added here is the first.
  if (type.starts_with("INT")) option.transform(CLI::Validator(read_whole<std::int64_t>, ""));
  if (type.starts_with("UINT")) option.transform(CLI::Validator(read_whole<std::uint64_t>, ""));
  if (type.starts_with("FLOAT")) option.transform(CLI::Validator(refuse_infinite, ""));
  if (!is_marked(option)) option.transform(CLI::Validator(refuse_empty, ""));
}

}  // namespace

void begin_options(CLI::App& app) {
  app.name("llava");
  app.option_defaults()->always_capture_default();
}

void end_options(CLI::App& app) {
  for (CLI::Option* option : app.get_options()) add_rules(*option);
  for (CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) end_options(*command);
}

void may_be_empty(CLI::Option& option) {
  option.check(CLI::Validator([](std::string&) { return std::string(); }, "", emptiness));
}
