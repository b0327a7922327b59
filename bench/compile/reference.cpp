// SPDX-License-Identifier: Apache-2.0
// What budget.py measures a machine's compiler by: it includes nothing of ours and never changes.
#include <algorithm>
#include <functional>
#include <map>
#include <regex>
#include <string>
#include <variant>
#include <vector>
std::vector<std::string> words(const std::string& text, const std::string& pattern) {
  const std::regex expression(pattern);
  std::map<std::string, std::size_t> found;
  for (std::sregex_iterator i(text.begin(), text.end(), expression), end; i != end; ++i) ++found[i->str()];
  std::vector<std::pair<std::size_t, std::string>> ordered;
  for (const auto& [word, count] : found) ordered.emplace_back(count, word);
  std::sort(ordered.begin(), ordered.end());
  std::vector<std::string> out;
  for (auto& [count, word] : ordered) out.push_back(std::regex_replace(word, expression, "$&"));
  return out;
}
