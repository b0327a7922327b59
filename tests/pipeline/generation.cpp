// SPDX-License-Identifier: Apache-2.0
/// How a folder's generation_config.json and a caller's settings change answers.
#include <llava/pipeline/generation.hpp>
#include <temporary_folder.hpp>

#include "../goldens/golden.hpp"
#include "tiny_model.hpp"

namespace {

std::vector<std::int32_t> ids(const llava::json_value* v) {
  std::vector<std::int32_t> out;
  if (v)
    for (const auto& e : v->items()) out.push_back(static_cast<std::int32_t>(*e.integer()));
  return out;
}
llava::generation_defaults sampling() {
  llava::generation_defaults d;
  d.do_sample = true, d.temperature = 0.7f, d.top_p = 0.8f, d.top_k = 20, d.max_new_tokens = 7, d.min_p = 0.1f;
  d.repetition_penalty = 1.05f, d.suppress_tokens = {5};
  return d;
}

}  // namespace

TEST_CASE("generation rules: the caller's settings, then the folder's, then greedy", "[pipeline]") {
  const auto plain = llava::effective_rules({}, {});
  CHECK((plain.temperature == 0.f && plain.max_new_tokens == 512 && plain.top_k == 50 && plain.top_p == 1.f &&
         plain.min_p == 0.f));
  CHECK((plain.repetition_penalty == 1.f && plain.suppress_tokens.empty()));
  const auto folder = llava::effective_rules({}, sampling());
  CHECK((folder.temperature == 0.7f && folder.max_new_tokens == 7 && folder.top_k == 20 && folder.top_p == 0.8f &&
         folder.min_p == 0.1f));
  CHECK((folder.repetition_penalty == 1.05f && folder.suppress_tokens == std::vector<std::int32_t>{5}));

  llava::generation_settings s;
  s.temperature = 0.f, s.max_new_tokens = 3, s.top_k = 0, s.top_p = 0.5f, s.repetition_penalty = 1.f, s.min_p = 0.f;
  s.suppress_tokens.emplace();
  const auto given = llava::effective_rules(s, sampling());
  CHECK((given.temperature == 0.f && given.max_new_tokens == 3 && given.top_k == 0 && given.top_p == 0.5f &&
         given.min_p == 0.f));
  CHECK((given.repetition_penalty == 1.f && given.suppress_tokens.empty()));

  llava::generation_defaults greedy = sampling();
  greedy.do_sample = false;  // transformers then ignores the other sampling keys
  CHECK(llava::effective_rules({}, greedy).temperature == 0.f);
  s.temperature = 0.2f;
  CHECK(llava::effective_rules(s, greedy).temperature == 0.2f);
}

TEST_CASE("with a folder's penalties answers match transformers, and in original folders LLaVA's program",
          "[pipeline]") {
  const auto file = llava::json_document::try_read(LLAVA_TEST_DATA "/generate/penalties.json");
  REQUIRE(file);
  const auto& answers = file->value().find("answers")->items();
  REQUIRE(answers.size() == 20);
  for (const llava::json_value& expected : answers) {
    const std::string model = *expected.find("model")->text(), name = *expected.find("case")->text();
    const llava::json_value& stated = *expected.find("settings");
    const llava::json_value* states_penalty = stated.find("repetition_penalty");
    const float penalty = states_penalty ? static_cast<float>(states_penalty->number().value_or(1)) : 1.f;
    const std::vector<std::int32_t> suppressed = ids(stated.find("suppress_tokens"));
    INFO(model << " " << name << " " << penalty << " " << suppressed.size());

    temporary_folder folder("llava_penalties");
    folder.copy(golden::folder(model));
    std::string json = R"({"bos_token_id": 1, "max_new_tokens": 16)";
    if (states_penalty) json += ", \"repetition_penalty\": " + std::to_string(penalty);
    for (std::size_t i = 0; i < suppressed.size(); ++i)
      json += (i ? ", " : ", \"suppress_tokens\": [") + std::to_string(suppressed[i]);
    folder.write("generation_config.json", json + (suppressed.empty() ? "}" : "]}"));
    const auto opened = tiny::open_folder(folder.path.string());
    const golden::record record(model);
    std::string prompt;
    std::vector<llava::image> images;
    for (const llava::json_value& c : record.cases())
      if (*c.find("name")->text() == name) {
        prompt = *c.find("prompt")->text();
        for (const auto& p : c.find("pictures")->items()) images.push_back(record.test_image(*p.text()));
      }

    auto chat = opened.session();
    CHECK(tiny::value(chat.try_generate(prompt, images)).tokens == ids(expected.find("tokens")));
    auto together = opened.batch();
    REQUIRE(together.try_add(prompt, images));
    llava::generation_settings none;
    none.repetition_penalty = 1.f, none.suppress_tokens.emplace();
    REQUIRE(together.try_add(prompt, images, none));
    const auto both = tiny::values(together.try_run());
    CHECK(both[0].tokens == ids(expected.find("tokens")));
    const auto usual = record.values<std::int32_t>(name + ".greedy");
    CHECK(both[1].tokens == std::vector<std::int32_t>(usual.begin(), usual.begin() + 16));
    // The same settings from the caller, in a folder without them.
    if (model != "clip_mha") continue;
    folder.write("generation_config.json", "{}");
    auto other = tiny::open_folder(folder.path.string()).session();
    other.settings.repetition_penalty = penalty;
    other.settings.suppress_tokens = suppressed;
    other.settings.max_new_tokens = 16;
    CHECK(tiny::value(other.try_generate(prompt, images)).tokens == ids(expected.find("tokens")));
  }
}

TEST_CASE("penalties that forbid every token or make logits infinite are errors that name them", "[pipeline]") {
  auto chat = tiny::model().session();
  auto& all = chat.settings.suppress_tokens.emplace();
  for (std::int32_t t = 0; t < tiny::model().description().text.vocab; ++t) all.push_back(t);
  auto a = chat.try_ask("hello");
  REQUIRE_FALSE(a);
  CHECK(a.error().sentence() == "llava: suppress_tokens forbids every token; it must leave one");
  chat.settings.suppress_tokens.reset();
  chat.settings.repetition_penalty = 1e-45f;
  a = chat.try_ask("hello");
  REQUIRE_FALSE(a);
  CHECK(a.error().sentence() == "llava: the repetition_penalty makes logits infinite; set one nearer to 1");
  chat.settings = {};
  chat.settings.max_new_tokens = 2;
  CHECK(chat.try_ask("hello"));
}

TEST_CASE("a hook sees the logits after the penalties", "[pipeline]") {
  auto chat = tiny::model().session();
  chat.settings.max_new_tokens = 1;
  chat.settings.suppress_tokens = {3, 4};
  bool seen = false;
  chat.hooks.on_logits = [&](std::span<float> l) { seen = std::isinf(l[3]) && std::isinf(l[4]) && !std::isinf(l[5]); };
  CHECK(chat.try_ask("hello"));
  CHECK(seen);
}
