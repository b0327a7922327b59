// SPDX-License-Identifier: Apache-2.0
#include <llava/generate/settings.hpp>

#include <cstdint>
#include <limits>
#include <llava_catch.hpp>

namespace {
constexpr float infinity = std::numeric_limits<float>::infinity();
constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();

std::string refused(const llava::generation_settings& s) {
  std::string name;
  const auto checked = llava::try_check(s, &name);
  CHECK(name.empty() == checked.has_value());
  if (checked) return {};
  CHECK(checked.error().sentence().starts_with("llava: " + name + " "));
  return checked.error().sentence();
}
/// The sentence for a setting that is wrong for a model with 100 tokens.
std::string refused_by_model(const llava::generation_settings& s) {
  const auto checked = llava::try_check(s, 100);
  return checked ? std::string() : checked.error().sentence();
}
}  // namespace

TEST_CASE("settings: unset ones are valid, and those out of range are refused with a sentence", "[generate]") {
  CHECK(refused({}).empty());
  const auto check = []<class T>(auto member, std::initializer_list<T> wrong, std::initializer_list<T> right,
                                 const std::string& sentence) {
    for (const T x : wrong) {
      INFO(x);
      llava::generation_settings s;
      s.*member = x;
      CHECK(refused(s) == "llava: " + sentence);
      CHECK(refused_by_model(s) == refused(s));
    }
    for (const T x : right) {
      INFO(x);
      llava::generation_settings s;
      s.*member = x;
      CHECK(refused(s).empty());
    }
  };
  using s = llava::generation_settings;
  constexpr float tiny = std::numeric_limits<float>::denorm_min();
  check(&s::temperature, {-1.f, -tiny, not_a_number, infinity, -infinity}, {0.f, 0.7f, 100.f},
        "temperature must be 0 (greedy) or a positive number");
  check(&s::top_p, {-0.1f, 1.1f, not_a_number, infinity}, {0.f, 1.f}, "top_p must be 0 to 1");
  check(&s::min_p, {-tiny, 1.0001f, not_a_number, infinity, -infinity}, {0.f, 0.05f, 1.f}, "min_p must be 0 to 1");
  check(&s::repetition_penalty, {0.f, -1.f, infinity, not_a_number}, {0.5f, 1.f, 10.f},
        "repetition_penalty must be a positive number; 1 is no penalty");
  check(&s::presence_penalty, {-2.01f, 2.01f, not_a_number, infinity, -infinity}, {-2.f, 0.f, 2.f},
        "presence_penalty must be -2 to 2");
  check(&s::frequency_penalty, {-2.01f, 2.01f, not_a_number, infinity, -infinity}, {-2.f, 0.f, 2.f},
        "frequency_penalty must be -2 to 2");
  check(&s::top_k, {-1, INT32_MIN}, {0, 1, INT32_MAX}, "top_k must be 0 (all tokens) or a positive number");
  check(&s::top_logprobs, {-1, 21, INT32_MAX, INT32_MIN}, {0, 1, 20}, "top_logprobs must be 0 to 20");
}

TEST_CASE("settings: biases are finite, each token has one, and its id is a token of the model", "[generate]") {
  llava::generation_settings s;
  for (const float x : {not_a_number, infinity, -infinity}) {
    s.logit_bias = {{5, 1.f}, {7, x}};
    CHECK(refused(s) == "llava: logit_bias of token 7 must be a finite number; suppress_tokens forbids a token");
  }
  s.logit_bias = {{5, 1.f}, {7, 2.f}, {5, 1.f}};
  CHECK(refused(s) == "llava: logit_bias has token 5 twice, expected once");
  s.logit_bias = {{0, -1e30f}, {99, 1e30f}};
  CHECK((refused(s).empty() && refused_by_model(s).empty()));
  for (const std::int32_t token : {-1, 100, INT32_MAX, INT32_MIN}) {
    const std::string words = " has token " + std::to_string(token) + ", expected 0 to 99, the tokens of the model";
    s.logit_bias = {{3, 1.f}, {token, 1.f}};
    CHECK(refused(s).empty());
    CHECK(refused_by_model(s) == "llava: logit_bias" + words);
    s.logit_bias.clear();
    s.stop_token_ids = {0, 99, 0, token};
    CHECK(refused(s).empty());
    CHECK(refused_by_model(s) == "llava: stop_token_ids" + words);
    s.stop_token_ids = {0, 99, 0};
    CHECK(refused_by_model(s).empty());
  }
}

TEST_CASE("R2: settings: lists have a largest size", "[generate]") {
  const std::string name = "llava: ";
  llava::generation_settings s;
  s.stop.assign(256, std::string(4096, 'x'));
  s.stop_token_ids.assign(1024, 1);
  s.suppress_tokens.emplace(std::size_t{1} << 20, 1);
  CHECK(refused(s).empty());
  s.stop.emplace_back("x");
  CHECK(refused(s) == name + "stop must be at most 256 texts");
  s.stop = {std::string(4097, 'x')};
  CHECK(refused(s) == name + "stop must be texts of at most 4096 bytes each");
  s.stop.clear();
  s.stop_token_ids.push_back(1);
  CHECK(refused(s) == name + "stop_token_ids must be at most 1024 tokens");
  s.stop_token_ids.clear();
  s.suppress_tokens->push_back(1);
  CHECK(refused(s) == name + "suppress_tokens must be at most 1048576 tokens");
  s.suppress_tokens.reset();
  for (std::int32_t t = 0; t <= 1 << 20; ++t) s.logit_bias.push_back({t, 1.f});
  CHECK(refused(s) == name + "logit_bias must be at most 1048576 tokens");
  s.logit_bias.pop_back();
  CHECK(refused(s).empty());
}
