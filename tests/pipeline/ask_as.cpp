// SPDX-License-Identifier: Apache-2.0
/// Answers inside a grammar: structs, schemas and choices, alone and together, and the logits processor behind them.
#include <llava/pipeline/ask_as.hpp>

#include <optional>

#include "tiny_model.hpp"

using namespace tiny;

namespace {

enum class shape_kind { circle, square, triangle };

struct shape {
  shape_kind kind;
  bool filled;
  static constexpr auto fields = std::tuple{llava::field{"kind", &shape::kind}, llava::field{"filled", &shape::filled}};
};
struct scene {
  std::vector<shape> shapes;
  std::optional<int> count;
  static constexpr auto fields =
      std::tuple{llava::field{"shapes", &scene::shapes}, llava::field{"count", &scene::count, "how many"}};
};

constexpr std::string_view question = "What is in the picture?";

}  // namespace

template <>
inline constexpr auto llava::enum_names<shape_kind> =
    std::array{llava::enum_name{"circle", shape_kind::circle}, llava::enum_name{"square", shape_kind::square},
               llava::enum_name{"triangle", shape_kind::triangle}};

TEST_CASE("ask_as: an answer is a struct, and its JSON is the turn", "[pipeline]") {
  auto chat = model().session();
  chat.settings.max_new_tokens = 60;
  std::string streamed;
  const auto one = chat.try_ask_as<shape>(test_image(1), question, [&](std::string_view s) { streamed += s; });
  if (!one) FAIL(one.error().what());
  REQUIRE(chat.save().turns.size() == 2);
  const auto read = llava::try_read_described<shape>(chat.save().turns[1].text);
  REQUIRE(read);
  CHECK(read->kind == one->kind);
  CHECK(read->filled == one->filled);
  CHECK(streamed.find("\"kind\"") != std::string::npos);
  CHECK_FALSE(chat.hooks.processor);  // only for this question
  CHECK(chat.try_ask("And now?"));
}

TEST_CASE("ask_as: sampled answers, with eos ignored and penalties too, are always of the form", "[pipeline]") {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto chat = model().session();
    chat.settings.max_new_tokens = 400;
    chat.settings.temperature = 2.f;
    chat.settings.seed = seed;
    chat.settings.ignore_eos = seed % 2 == 1;
    if (seed % 3 == 0) chat.settings.frequency_penalty = 0.5f;
    const auto a = chat.try_ask_as<shape>(test_image(static_cast<int>(seed)), question);
    if (!a) FAIL(a.error().what());
  }
}

TEST_CASE("ask_as: an answer that is cut off is an error that says so, and nested structs are read", "[pipeline]") {
  auto chat = model().session();
  chat.settings.max_new_tokens = 3;
  const auto cut = chat.try_ask_as<shape>(test_image(1), question);
  REQUIRE_FALSE(cut);
  CHECK(cut.error().sentence().find("cut off after 3 tokens") != std::string::npos);
  const auto s = llava::try_read_described<scene>(R"({"shapes":[{"kind":"circle","filled":true}],"count":1})");
  REQUIRE(s);
  CHECK(s->shapes.size() == 1);
}

TEST_CASE("a choice is one of the list, in a batch too, and others are as they would be", "[pipeline]") {
  const std::vector<std::string> choices = {"red", "green", "a blue one"};
  const auto texts = llava::grammar::try_choices(choices);
  REQUIRE(texts);
  const auto masks = llava::try_masks(model().state(), *texts);
  REQUIRE(masks);
  llava::generation_hooks hooks;
  hooks.processor = llava::constrained(*masks);
  const std::string prompt = *model().try_prompt(0, "Which one?");
  llava::generation_settings s;
  s.max_new_tokens = 12;
  auto together = model().batch();
  for (int i = 0; i < 6; ++i) {
    s.temperature = i < 2 ? 0.f : 1.5f;
    s.seed = static_cast<std::uint64_t>(i);
    REQUIRE(together.try_add(prompt, {}, s, i % 2 ? llava::generation_hooks() : hooks));
  }
  const auto answers = values(together.try_run());
  for (std::size_t i = 0; i < answers.size(); ++i) {
    auto alone = model().session();
    alone.settings = s;
    alone.settings.temperature = i < 2 ? 0.f : 1.5f;
    alone.settings.seed = i;
    if (i % 2 == 0) alone.hooks = hooks;
    CHECK(value(alone.try_generate(prompt, {})).tokens == answers[i].tokens);
    if (i % 2 == 0) CHECK(std::find(choices.begin(), choices.end(), answers[i].text) != choices.end());
  }
  s.suppress_tokens.emplace();
  for (std::int32_t t = 0; t < model().description().text.vocab; ++t)
    if (t != 300) s.suppress_tokens->push_back(t);
  auto none = model().session();
  none.settings = s;
  none.hooks = hooks;
  const auto a = none.try_generate(prompt, {});
  REQUIRE_FALSE(a);
  CHECK(a.error().sentence().find("forbids every token that the answer's grammar allows") != std::string::npos);
}
