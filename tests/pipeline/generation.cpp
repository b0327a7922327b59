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

// [several]
/// Several answers to one question. The prompt is computed once; each answer is the one that its seed gives alone.
template <class Model>
std::vector<llava::result<llava::answer>> several(const Model& model, const llava::image& img,
                                                  std::string_view question, int count) {
  const auto prompt = model.try_prompt(1, question);
  if (!prompt) return {prompt.error()};
  llava::batch together = model.batch();
  llava::generation_settings settings;
  settings.temperature = 0.8f;
  for (int i = 0; i < count; ++i, ++settings.seed)
    if (const auto added = together.try_add(*prompt, {&img, 1}, settings); !added) return {added.error()};
  auto answers = together.try_run();
  return answers ? *std::move(answers) : std::vector<llava::result<llava::answer>>{answers.error()};
}
// [several]

}  // namespace

TEST_CASE("several answers to one question share its prompt", "[pipeline]") {
  const auto model = tiny::open(tiny::options());
  const llava::image img = tiny::test_image(9);
  const auto answers = tiny::values(several(model, img, "Describe the image.", 4));
  REQUIRE(answers.size() == 4);
  CHECK(model.state().engine().counts().encoded_images == 1);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    auto alone = model.session();
    alone.settings.temperature = 0.8f;
    alone.settings.seed = i;
    CHECK(tiny::value(alone.try_ask(img, "Describe the image.")).tokens == answers[i].tokens);
    const int shared = (answers[i].prompt_tokens - 1) / llava::kv_block * llava::kv_block;
    CHECK(answers[i].reused_tokens >= (i == 0 ? 0 : shared));
  }
}

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

TEST_CASE("num_beams: answers are those of transformers' beam search", "[pipeline]") {
  const auto file = llava::json_document::try_read(LLAVA_TEST_DATA "/generate/beams.json");
  REQUIRE(file);
  const auto& cases = file->value().find("cases")->items();
  REQUIRE(cases.size() == 33);
  llava::open_options small = tiny::options(1, 16);
  small.prefix_cache = false, small.max_sequences = 3;
  const auto chunked = tiny::open(small);
  for (const llava::json_value& expected : cases) {
    const std::string name = *expected.find("model")->text();
    std::string prompt;
    std::vector<llava::image> images;
    if (name == "tiny") {
      prompt = *expected.find("prompt")->text();
      if (const auto seed = expected.find("seed")->integer())
        images.push_back(tiny::test_image(static_cast<int>(*seed)));
    } else {
      const golden::record record(name);
      for (const llava::json_value& c : record.cases())
        if (*c.find("name")->text() == *expected.find("case")->text()) {
          prompt = *c.find("prompt")->text();
          for (const auto& p : c.find("pictures")->items()) images.push_back(record.test_image(*p.text()));
        }
    }
    const auto opened = name == "tiny" ? tiny::model() : tiny::open_folder(golden::folder(name));
    const int idle = opened.state().blocks->available();
    auto chat = opened.session();
    chat.settings.num_beams = static_cast<int>(*expected.find("num_beams")->integer());
    chat.settings.max_new_tokens = static_cast<int>(*expected.find("max_new_tokens")->integer());
    const double penalty = *expected.find("repetition_penalty")->number();
    chat.settings.repetition_penalty = static_cast<float>(penalty);
    chat.settings.logprobs = true;
    const llava::json_value* ends = expected.find("ends");
    chat.settings.ignore_eos = ends->is_array();
    chat.settings.stop_token_ids = ids(ends);
    INFO(name << " " << chat.settings.num_beams << " beams, penalty " << penalty << ", "
              << chat.settings.stop_token_ids.size() << " ends: " << prompt);
    std::string shown;
    const llava::answer a =
        tiny::value(chat.try_generate(prompt, images, [&](std::string_view piece) { shown += piece; }));
    CHECK(a.tokens == ids(expected.find("tokens")));
    CHECK(shown == a.text);
    const bool is_full = static_cast<int>(a.tokens.size()) == chat.settings.max_new_tokens;
    CHECK((a.reason == llava::finish_reason::length) <= is_full);
    if (penalty == 1) {  // f16 weights against f32
      double sum = 0;
      for (const float l : a.logprobs) sum += double{l};
      CHECK(std::abs(sum / static_cast<double>(a.tokens.size()) - *expected.find("score")->number()) < 5e-3);
    }
    CHECK(opened.state().blocks->available() == idle);
    if (name != "tiny") continue;
    // In small steps, with one thread and without known prefixes, the bytes are the same (R14).
    auto other = chunked.session();
    other.settings = chat.settings;
    const llava::answer b = tiny::value(other.try_generate(prompt, images));
    CHECK((b.tokens == a.tokens && b.logprobs == a.logprobs && b.text == a.text && b.reason == a.reason));
  }
}

TEST_CASE("num_beams: what a search cannot take is an error that names it", "[pipeline]") {
  const auto refused = [](auto&& change, std::string_view name) {
    auto chat = tiny::model().session();
    chat.settings.num_beams = 3;
    change(chat);
    const auto a = chat.try_ask("hello");
    REQUIRE_FALSE(a);
    INFO(a.error().sentence());
    CHECK(a.error().code() == llava::errc::invalid_argument);
    CHECK(a.error().sentence().find(name) != std::string::npos);
  };
  refused([](auto& c) { c.settings.num_beams = 0; }, "num_beams must be 1 to 64");
  refused([](auto& c) { c.settings.num_beams = 65; }, "num_beams must be 1 to 64");
  refused([](auto& c) { c.settings.temperature = 0.2f; }, "temperature 0");
  refused([](auto& c) { c.settings.stop = {"a"}; }, "stop texts");
  refused([](auto& c) { c.settings.top_logprobs = 1; }, "top_logprobs");
  refused([](auto& c) { c.hooks.on_logits = [](std::span<float>) {}; }, "on_logits");
  llava::generation_settings two;
  two.num_beams = 2, two.max_new_tokens = 4;
  const auto added = tiny::model().batch().try_add("hello", {}, two);
  REQUIRE_FALSE(added);
  CHECK(added.error().sentence().find("num_beams") != std::string::npos);
  // A search that is cancelled leaves nothing behind.
  const int idle = tiny::model().state().blocks->available();
  auto chat = tiny::model().session();
  chat.settings = two;
  chat.settings.max_new_tokens = 100, chat.settings.ignore_eos = true;
  int asked = 0;
  struct after {
    int* asked;
    bool stop_requested() const noexcept { return ++*asked > 20; }
  };
  chat.hooks.stop = after{&asked};
  const auto cancelled = chat.try_ask("hello");
  REQUIRE_FALSE(cancelled);
  CHECK(cancelled.error().code() == llava::errc::cancelled);
  CHECK((chat.save().turns.empty() && tiny::model().state().blocks->available() == idle));
}
