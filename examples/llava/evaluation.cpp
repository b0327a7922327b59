// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"

#include <llava/checkpoint/json.hpp>

#include <cstdio>
#include <sstream>

namespace {

llava::error malformed(const std::string& file, std::size_t line) {
  return llava::fail(llava::errc::invalid_format,
                     llava::text_of("llava: ", file, ", record ", line, ": not a question of this evaluation"));
}

/// The kind of an easy-VQA question follows from its answer.
std::string kind_of(const std::string& answer) {
  if (answer == "yes" || answer == "no") return "yes_no";
  if (answer == "circle" || answer == "rectangle" || answer == "triangle") return "shape";
  return "colour";
}

/// Returns the member as text, or null.
const std::string* text_at(const llava::json_value& object, const char* key) {
  const llava::json_value* v = object.find(key);
  return v ? v->text() : nullptr;
}

}  // namespace

llava::result<std::vector<expected_conversation>> try_read_easy_vqa(const std::string& folder,
                                                                    const std::string& split) {
  const std::string file = folder + "/" + split + "/questions.json";
  LLAVA_TRY(text, llava::try_read_text_file(file));
  LLAVA_TRY(questions, llava::try_parse_json(file, text));
  std::vector<expected_conversation> all;
  for (const llava::json_value& q : questions.items()) {  // [question, answer, image]
    const auto& parts = q.items();
    if (parts.size() != 3 || !parts[0].text() || !parts[1].text() || !parts[2].integer())
      return malformed(file, all.size());
    const std::string& answer = *parts[1].text();
    all.push_back({{folder + "/" + split + "/images/" + std::to_string(*parts[2].integer()) + ".png"},
                   {{*parts[0].text(), answer, kind_of(answer)}}});
  }
  if (all.empty()) return malformed(file, 0);
  return all;
}

llava::result<std::string> try_find_easy_vqa() {
  std::string folder;
  if (std::FILE* python = popen("python3 -c \"import importlib.util as u; s = u.find_spec('easy_vqa'); "
                                "print(s.submodule_search_locations[0] if s else '', end='')\" 2>/dev/null",
                                "r")) {
    char part[256];
    while (const std::size_t n = std::fread(part, 1, sizeof part, python)) folder.append(part, n);
    pclose(python);
  }
  if (!folder.empty()) return folder + "/data";
  return llava::fail(llava::errc::not_found,
                     "llava: the Python package easy-vqa is not installed; install it (pip install easy-vqa) or pass "
                     "--data its data folder");
}

llava::result<std::vector<expected_conversation>> try_read_scenes(const std::string& folder) {
  const std::string file = folder + "/questions.jsonl";
  LLAVA_TRY(text, llava::try_read_text_file(file));
  std::istringstream lines(text);
  std::vector<expected_conversation> all;
  for (std::string line; std::getline(lines, line);) {
    LLAVA_TRY(record, llava::try_parse_json(file, line));
    expected_conversation c;
    const llava::json_value *images = record.find("images"), *turns = record.find("turns");
    if (!images || !turns) return malformed(file, all.size());
    for (const llava::json_value& name : images->items()) {
      if (!name.text()) return malformed(file, all.size());
      c.images.push_back(folder + "/" + *name.text());
    }
    for (const llava::json_value& turn : turns->items()) {
      const std::string *question = text_at(turn, "text"), *answer = text_at(turn, "answer"),
                        *kind = text_at(turn, "category");
      if (!question || !answer || !kind) return malformed(file, all.size());
      c.turns.push_back({*question, *answer, *kind});
    }
    all.push_back(std::move(c));
  }
  return all;
}
