// SPDX-License-Identifier: Apache-2.0
/// Compares original folders with the output of LLaVA's own program (tests/oracle/original_program.py): prompts, ids,
/// greedy tokens and text must be equal.
#pragma once
#include <temporary_folder.hpp>

#include <llava/checkpoint/safetensors_writer.hpp>

#include "golden.hpp"

namespace golden {

inline std::vector<std::int32_t> ids_of(const llava::json_value& list) {
  std::vector<std::int32_t> ids;
  for (const llava::json_value& id : list.items()) ids.push_back(static_cast<std::int32_t>(*id.integer()));
  return ids;
}

inline void write_tensors(const std::string& folder, const std::vector<llava::safetensors_plan>& plan,
                          const std::vector<std::vector<std::byte>>& contents) {
  const std::string file = folder + "/model.safetensors";
  std::filesystem::remove(file);
  auto to = llava::safetensors_writer::try_create(file, plan);
  REQUIRE(to);
  for (const auto& bytes : contents) REQUIRE(to->try_write(bytes));
  REQUIRE(to->try_finish());
}

/// The tensors of a folder, to change and write back.
struct stored_tensors {
  std::vector<llava::safetensors_plan> plan;
  std::vector<std::vector<std::byte>> contents;

  explicit stored_tensors(const std::string& folder) {
    const auto from = llava::safetensors_folder::try_open(folder);
    REQUIRE(from);
    from->for_each([&](const llava::stored_tensor& t) {
      plan.push_back({t.name, t.type, t.dims, {}});
      contents.emplace_back(t.bytes.begin(), t.bytes.end());
    });
  }
};

/// Rewrites the 16-bit weights of a folder: the layers add nothing, and the head maps each token's embedding to the
/// next token of `chain`.
inline void write_chain_weights(const std::string& folder, const std::vector<std::int32_t>& chain) {
  stored_tensors all(folder);
  auto& plan = all.plan;
  auto& contents = all.contents;
  const auto of = [&](std::string_view name) -> std::vector<std::byte>& {
    for (std::size_t i = 0; i < plan.size(); ++i)
      if (plan[i].name == name) return contents[i];
    FAIL(name << " is missing");
    return contents.front();
  };
  const auto ends_with = [](std::string_view name, std::string_view end) {
    return name.size() >= end.size() && name.substr(name.size() - end.size()) == end;
  };
  for (std::size_t i = 0; i < plan.size(); ++i)
    if (ends_with(plan[i].name, "o_proj.weight") || ends_with(plan[i].name, "down_proj.weight") ||
        plan[i].name == "lm_head.weight")
      std::fill(contents[i].begin(), contents[i].end(), std::byte{0});
  std::vector<std::byte>&norm = of("model.norm.weight"), &head = of("lm_head.weight"),
  &embeddings = of("model.embed_tokens.weight");
  for (std::size_t i = 0; i < norm.size(); i += 2)
    norm[i] = std::byte{0x80}, norm[i + 1] = std::byte{0x3f};  // 1 as bf16
  const std::size_t row = norm.size();
  for (std::size_t i = 0; i + 1 < chain.size(); ++i)
    std::memcpy(&head[static_cast<std::size_t>(chain[i + 1]) * row],
                &embeddings[static_cast<std::size_t>(chain[i]) * row], row);

  write_tensors(folder, plan, contents);
}

/// Rewrites the 16-bit weights of a folder, with `count` more rows in the tables of tokens. They repeat the first ones.
inline void write_spare_rows(const std::string& folder, std::size_t count) {
  stored_tensors all(folder);
  auto& plan = all.plan;
  auto& contents = all.contents;
  for (std::size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].name != "lm_head.weight" && plan[i].name != "model.embed_tokens.weight") continue;
    const std::vector<std::byte> first(contents[i].begin(),
                                       contents[i].begin() + static_cast<std::ptrdiff_t>(count * 2 * plan[i].dims[1]));
    plan[i].dims[0] += count;
    contents[i].insert(contents[i].end(), first.begin(), first.end());
  }
  write_tensors(folder, plan, contents);
}

/// Checks a folder as the original program was given it, with questions about its images.
template <class Pipeline>
void check_original_folder(const llava::json_value& about, const std::vector<const llava::json_value*>& questions) {
  const std::string &name = *about.find("name")->text(), &of = *about.find("of")->text();
  INFO(*about.find("about")->text() << ": " << name);
  temporary_folder scratch("original_program");
  const std::string path = scratch / name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::filesystem::copy(folder(of), path, std::filesystem::copy_options::recursive);
  for (const auto& file : about.find("files")->members()) scratch.write(name + "/" + file.first, *file.second.text());
  const std::vector<std::int32_t> says = ids_of(*about.find("says"));
  if (!says.empty()) {
    std::vector<std::int32_t> chain{ids_of(*questions.front()->find("input_ids")).back()};
    chain.insert(chain.end(), says.begin(), says.end());
    chain.push_back(2);
    write_chain_weights(path, chain);
  }
  if (const llava::json_value* spare = about.find("spare_rows"))
    write_spare_rows(path, static_cast<std::size_t>(*spare->integer()));
  llava::open_options options;
  options.threads = 2;
  options.kv_tokens = 2048;
  const record images(of);
  for (const llava::json_value* q : questions) {
    const std::string &query = *q->find("query")->text(), *const mode = q->find("mode")->text();
    INFO("query " << query << ", template " << (mode ? *mode : std::string("by the name")));
    options.conversation = mode ? *mode : std::string();
    const auto model = Pipeline::try_open(path, options);
    if (!model) FAIL(model.error().what());
    CHECK(*model->try_prompt(1, query) == *q->find("prompt")->text());
    CHECK(llava::prompt_ids(model->tokenizer(), model->description(), *q->find("prompt")->text(), true) ==
          ids_of(*q->find("input_ids")));
    auto chat = model->session();
    chat.settings.max_new_tokens = 24;
    const auto answer = chat.try_ask(images.test_image(*q->find("picture")->text()), query);
    if (!answer) FAIL(answer.error().what());
    CHECK(answer->tokens == ids_of(*q->find("tokens")));
    CHECK(answer->text == *q->find("text")->text());
  }
}

template <class Pipeline>
void check_original_program() {
  const auto file = llava::json_document::try_read(folder("original_program.json"));
  REQUIRE(file);
  const auto &folders = file->value().find("folders")->items(), &questions = file->value().find("questions")->items();
  REQUIRE((folders.size() == 40 && questions.size() == 100));
  for (std::size_t f = 0; f < folders.size(); ++f) {
    std::vector<const llava::json_value*> of_folder;
    for (const llava::json_value& q : questions)
      if (q.find("folder")->integer() == static_cast<std::int64_t>(f)) of_folder.push_back(&q);
    REQUIRE_FALSE(of_folder.empty());
    check_original_folder<Pipeline>(folders[f], of_folder);
  }
}

}  // namespace golden
