// SPDX-License-Identifier: Apache-2.0
#include "evaluation.hpp"

#include <rapidjson/document.h>

#include <cstdio>
#include <fstream>
#include <sstream>

namespace {

llava::error malformed(const std::string& file, std::size_t line) {
  return llava::fail(llava::errc::invalid_format, llava::text_of("llava: ", file, ", record ", line, ": not a question as this evaluation writes them"));
}

llava::result<std::string> try_read_text(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::stringstream text;
  if (!in || !(text << in.rdbuf())) return llava::fail(llava::errc::not_found, "llava: cannot read " + file);
  return text.str();
}

/// easy-VQA's kinds are in its answers.
std::string kind_of(const std::string& answer) {
  if (answer == "yes" || answer == "no") return "yes_no";
  if (answer == "circle" || answer == "rectangle" || answer == "triangle") return "shape";
  return "colour";
}

/// obj[key] as text, or nothing.
const char* text_at(const rapidjson::Value& obj, const char* key) {
  const auto found = obj.FindMember(key);
  return found != obj.MemberEnd() && found->value.IsString() ? found->value.GetString() : nullptr;
}

}  // namespace

llava::result<std::vector<expected_conversation>> try_read_easy_vqa(const std::string& folder, const std::string& split) {
  const std::string file = folder + "/" + split + "/questions.json";
  LLAVA_TRY(text, try_read_text(file));
  rapidjson::Document d;
  d.Parse<rapidjson::kParseIterativeFlag>(text.data(), text.size());
  if (d.HasParseError() || !d.IsArray()) return malformed(file, 0);
  std::vector<expected_conversation> all;
  for (const auto& q : d.GetArray()) {  // [question, answer, picture]
    if (!q.IsArray() || q.Size() != 3 || !q[0].IsString() || !q[1].IsString() || !q[2].IsInt()) return malformed(file, all.size());
    const std::string answer = q[1].GetString();
    all.push_back({{folder + "/" + split + "/images/" + std::to_string(q[2].GetInt()) + ".png"}, {{q[0].GetString(), answer, kind_of(answer)}}});
  }
  return all;
}

llava::result<std::string> try_find_easy_vqa() {
  std::string folder;
  if (std::FILE* python = popen("python3 -c \"import importlib.util as u; s = u.find_spec('easy_vqa'); print(s.submodule_search_locations[0] if s else '', end='')\" 2>/dev/null", "r")) {
    char part[256];
    while (const std::size_t n = std::fread(part, 1, sizeof part, python)) folder.append(part, n);
    pclose(python);
  }
  if (!folder.empty()) return folder + "/data";
  return llava::fail(llava::errc::not_found, "llava: the Python package easy-vqa is not installed; install it (pip install easy-vqa) or pass --data its data folder");
}

llava::result<std::vector<expected_conversation>> try_read_scenes(const std::string& folder) {
  const std::string file = folder + "/questions.jsonl";
  LLAVA_TRY(text, try_read_text(file));
  std::istringstream lines(text);
  std::vector<expected_conversation> all;
  for (std::string line; std::getline(lines, line);) {
    rapidjson::Document d;
    d.Parse<rapidjson::kParseIterativeFlag>(line.data(), line.size());
    if (d.HasParseError() || !d.IsObject() || !d.HasMember("images") || !d["images"].IsArray() || !d.HasMember("turns") || !d["turns"].IsArray())
      return malformed(file, all.size());
    expected_conversation c;
    for (const auto& name : d["images"].GetArray()) {
      if (!name.IsString()) return malformed(file, all.size());
      c.pictures.push_back(folder + "/" + name.GetString());
    }
    for (const auto& turn : d["turns"].GetArray()) {
      if (!turn.IsObject() || !text_at(turn, "text") || !text_at(turn, "answer") || !text_at(turn, "category")) return malformed(file, all.size());
      c.turns.push_back({text_at(turn, "text"), text_at(turn, "answer"), text_at(turn, "category")});
    }
    all.push_back(std::move(c));
  }
  return all;
}
