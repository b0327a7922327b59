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
  none.apply(changed);
  CHECK(changed == logits);
}

TEST_CASE("adding a token allocates nothing", "[generate]") {
  llava::token_penalties p(1.5f, {7});
  std::vector<float> logits(1000, 1.f);
  p.begin({5, 5, 900}, 500);
  const long before = allocations::made.load();
  for (std::int32_t t = 0; t < 500; ++t) p.add(997 * t % 1000), p.apply(logits);
  CHECK(allocations::made.load() == before);
}

TEST_CASE("invalid settings are refused, and unset ones have no effect", "[generate]") {
  llava::generation_settings s;
  CHECK(llava::try_check(s));
  for (const float p : {0.f, -1.f, infinity, std::numeric_limits<float>::quiet_NaN()}) {
    s.repetition_penalty = p;
    const auto checked = llava::try_check(s);
    REQUIRE_FALSE(checked);
    CHECK(checked.error().sentence() ==
          "llava: generation_settings::repetition_penalty must be a positive number; 1 is no penalty");
  }
  s.repetition_penalty = 0.5f;
  CHECK(llava::try_check(s));
}
