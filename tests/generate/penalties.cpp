// SPDX-License-Identifier: Apache-2.0
#include <llava/generate/penalties.hpp>

#include <allocations.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/generate/settings.hpp>
#include <llava_catch.hpp>

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();

std::vector<std::int32_t> ids(const llava::json_value& v) {
  std::vector<std::int32_t> out;
  for (const auto& e : v.items()) out.push_back(static_cast<std::int32_t>(*e.integer()));
  return out;
}
std::vector<float> floats(const llava::json_value& v) {
  std::vector<float> out;
  for (const auto& e : v.items()) out.push_back(e.is_null() ? -infinity : static_cast<float>(*e.number()));
  return out;
}
}  // namespace

TEST_CASE("penalties equal those of transformers' processors bit for bit", "[generate]") {
  const auto file = llava::json_document::try_read(LLAVA_TEST_DATA "/generate/penalties.json");
  REQUIRE(file);
  const auto& cases = file->value().find("logits")->items();
  REQUIRE(cases.size() == 5);
  for (const llava::json_value& c : cases) {
    llava::token_penalties p(static_cast<float>(*c.find("penalty")->number()), ids(*c.find("suppressed")));
    const std::vector<std::int32_t> before = ids(*c.find("before"));
    std::vector<float> at_once = floats(*c.find("logits")), one_by_one = at_once;
    CHECK(p.in_force());
    p.begin(before, 0);
    p.apply(at_once);
    CHECK(at_once == floats(*c.find("after")));
    p.begin({}, before.size());
    for (std::int32_t t : before) p.add(t);
    p.apply(one_by_one);
    CHECK(one_by_one == floats(*c.find("after")));
  }
}

TEST_CASE("penalties over the answer and biases are those of OpenAI's formula, after transformers' repetition penalty",
          "[generate]") {
  const auto file = llava::json_document::try_read(LLAVA_TEST_DATA "/generate/sampling.json");
  REQUIRE(file);
  const auto& cases = file->value().find("penalties")->items();
  REQUIRE(cases.size() == 6);
  for (const llava::json_value& c : cases) {
    llava::generation_settings s;
    s.frequency_penalty = static_cast<float>(*c.find("frequency")->number());
    s.presence_penalty = static_cast<float>(*c.find("presence")->number());
    for (const llava::json_value& b : c.find("bias")->items())
      s.logit_bias.push_back(
          {static_cast<std::int32_t>(*b.items()[0].integer()), static_cast<float>(*b.items()[1].number())});
    llava::token_penalties p(static_cast<float>(*c.find("repetition")->number()), ids(*c.find("suppressed")), s);
    CHECK(p.in_force());
    p.begin(ids(*c.find("prompt")), 20);
    for (std::int32_t t : ids(*c.find("answer"))) p.add(t);
    std::vector<float> logits = floats(*c.find("logits"));
    p.apply(logits);
    CHECK(logits == floats(*c.find("after")));
  }
}

TEST_CASE("biases keep finite logits finite and leave the others alone", "[generate]") {
  constexpr float largest = std::numeric_limits<float>::max();
  llava::generation_settings s;
  s.logit_bias = {{0, largest}, {1, -largest}, {2, largest}, {3, -1.f}, {400, 1.f}, {-1, 1.f}};
  s.presence_penalty = 2.f;
  llava::token_penalties p(1.f, {}, s);
  p.begin({}, 4);
  for (std::int32_t t : {0, 2, 500, -7}) p.add(t);
  std::vector<float> logits{largest, -largest, -infinity, infinity};
  p.apply(logits);
  CHECK(logits == std::vector<float>{largest, -largest, -infinity, infinity});
}

TEST_CASE("ids outside the logits change nothing, and a penalty of 1 has no effect", "[generate]") {
  const std::vector<float> logits{1.f, -2.f, 3.f};
  std::vector<float> changed = logits;
  llava::token_penalties beyond(2.f, {3, 400});
  beyond.begin({-1, 3, 32000}, 1);
  beyond.apply(changed);
  CHECK(changed == logits);
  llava::token_penalties none(1.f, {});
  none.begin({0, 1, 2}, 1);
  CHECK_FALSE(none.in_force());
  CHECK_FALSE(llava::token_penalties(1.f, {}, {}).in_force());
  none.apply(changed);
  CHECK(changed == logits);
}

TEST_CASE("adding a token allocates nothing", "[generate]") {
  llava::generation_settings s;
  s.presence_penalty = s.frequency_penalty = 0.1f, s.logit_bias = {{3, 1.f}};
  llava::token_penalties p(1.5f, {7}, s);
  std::vector<float> logits(1000, 1.f);
  p.begin({5, 5, 900}, 500);
  const long before = allocations::made.load();
  for (std::int32_t t = 0; t < 500; ++t) p.add(997 * t % 1000), p.apply(logits);
  CHECK(allocations::made.load() == before);
}
