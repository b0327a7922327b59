// SPDX-License-Identifier: Apache-2.0
/// Masks allow exactly the tokens whose bytes the grammar accepts. Random tokens that they allow make valid answers.
#include <cstdlib>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/grammar/constraint.hpp>
#include <llava/text/stream_decoder.hpp>
#include <llava_catch.hpp>
#include <refuse_each.hpp>

#include "validator.hpp"

namespace {

constexpr float never = -std::numeric_limits<float>::infinity();

struct random_numbers {
  std::uint64_t x;
  std::uint64_t below(std::uint64_t n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (x >> 33) % n;
  }
};

struct subject {
  std::string name;
  llava::tokenizer words;
  llava::token_vocabulary vocabulary;
  std::int32_t eos;
};
subject open(const std::string& name) {
  const bool is_tiny = name == "tiny";
  auto words = llava::try_open_tokenizer(
      is_tiny ? std::string(LLAVA_EXAMPLES_DIR) + "/tiny" : LLAVA_TEST_DATA "/text/" + name, name.starts_with("slow"));
  if (!words) FAIL(words.error().what());
  auto vocabulary = llava::token_vocabulary::try_make(*words);
  if (!vocabulary) FAIL(name << ": " << vocabulary.error().what());
  const std::int32_t eos = words->eos() >= 0 ? words->eos() : static_cast<std::int32_t>(words->size());
  return {name, *std::move(words), *std::move(vocabulary), eos};
}
const std::vector<subject>& subjects() {
  static const std::vector<subject> all = [] {
    std::vector<subject> opened;
    for (const char* name : {"tiny", "spm", "spm_user", "slow", "slow_legacy", "llama", "llama_metaspace", "gpt2",
                             "gpt2_prefix", "llama3", "qwen2"})
      opened.push_back(open(name));
    return opened;
  }();
  return all;
}
llava::token_masks masks_of(const llava::grammar& g, const subject& s) {
  auto masks = llava::token_masks::try_make(g, s.vocabulary, std::span(&s.eos, 1));
  if (!masks) FAIL(masks.error().what());
  return *std::move(masks);
}
llava::grammar of(std::string_view schema, const llava::grammar_options& o = {}) {
  auto g = llava::grammar::try_json_schema(schema, o);
  if (!g) FAIL(schema << ": " << g.error().what());
  return *std::move(g);
}

/// Schemas in which strings, names, counters and alternatives meet.
const std::vector<std::string>& schemas() {
  static const std::vector<std::string> all = [] {
    const std::string file = LLAVA_TEST_DATA "/grammar/vectors.json";
    const auto text = llava::try_read_text_file(file);
    const auto json = llava::try_parse_json(file, *text);
    std::vector<std::string> found;
    for (const llava::json_value& c : json->find("cases")->items()) found.push_back(*c.find("schema")->text());
    found.push_back(R"({"type": "object", "properties": {"ab": {"type": "string", "maxLength": 12, "minLength": 2},
        "b": {"type": "array", "items": {"$ref": "#"}, "maxItems": 3}, "c": {"enum": ["x", "xy", 1.5]},
        "é": {"type": ["integer", "null"], "maximum": 77}}, "required": ["c", "ab"], "additionalProperties": {"anyOf":
        [{"type": "integer"}, {"type": "string"}, {"type": "array", "items": {"type": "string", "minLength": 5}}]}})");
    return found;
  }();
  return all;
}

/// Draws random tokens. After `soon` tokens it ends strings, arrays and objects where it can.
struct walk {
  llava::constraint state;
  std::string bytes, text;
  int tokens = 0;
  bool has_ended = false;

  walk(const llava::token_masks& masks, const subject& s, random_numbers& r, int soon, int most) : state(masks) {
    llava::stream_decoder decoder(s.words);
    std::vector<float> logits(s.words.size() + 70);
    for (; tokens < most && !state.ended(); ++tokens) {
      for (float& l : logits) l = static_cast<float>(r.below(1000));
      REQUIRE(state.try_apply(logits));
      std::int32_t best = static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      if (tokens >= soon) best = ending(logits, s, best);
      const auto accepted = state.try_accept(best);
      if (!accepted || !*accepted) FAIL(s.name << ": an allowed token is not accepted after " << bytes);
      bytes += s.vocabulary.bytes(best);
      text += decoder.push(best);
    }
    text += decoder.finish();
    has_ended = state.ended();
  }
  static std::int32_t ending(const std::vector<float>& logits, const subject& s, std::int32_t other) {
    if (logits[static_cast<std::size_t>(s.eos)] != never) return s.eos;
    const auto find = [&](char c) {
      for (std::size_t t = 0; t < s.words.size(); ++t)
        if (logits[t] != never && s.vocabulary.bytes(static_cast<std::int32_t>(t)) == std::string_view(&c, 1))
          return static_cast<std::int32_t>(t);
      return -1;
    };
    const bool is_in_string = find('~') >= 0;
    for (const char c : std::string_view(is_in_string ? "\"~" : "}]\"0"))
      if (const std::int32_t t = find(c); t >= 0) return t;
    return other;
  }
};

std::string quoted(const std::string& s) {
  std::string out;
  llava::detail::append_json_string(s, out);
  return out;
}

}  // namespace

TEST_CASE("random tokens make answers that are valid, for every kind of tokenizer") {
  const char* path = std::getenv("LLAVA_GRAMMAR_WALKS");  // for tests/oracle/grammar_vectors.py --walks
  std::ofstream file(path ? path : "/dev/null");
  random_numbers r{3};
  std::size_t ended = 0, walks = 0;
  for (const std::string& schema : schemas()) {
    const auto json = llava::try_parse_json("the schema", schema);
    REQUIRE(json);
    const grammar_test::validator is_valid(*json);
    const llava::grammar g = of(schema, {walks % 2 ? llava::json_space::one : llava::json_space::lines});
    for (const subject& s : subjects()) {
      const llava::token_masks masks = masks_of(g, s);
      for (int round = 0; round < 6; ++round) {
        const walk w(masks, s, r, static_cast<int>(r.below(40)), 300);
        ++walks;
        // A decoder drops a space in front.
        if (w.text != w.bytes && " " + w.text != w.bytes)
          FAIL(s.name << ": the bytes '" << w.bytes << "' are decoded as '" << w.text << "'");
        if (!w.has_ended) continue;
        ++ended;
        const auto value = llava::try_parse_json("the answer", w.text);
        if (!value) FAIL(value.error().what() << ": " << w.text);
        if (!is_valid(*value)) FAIL(schema << " does not accept " << w.text);
        file << "{\"schema\":" << quoted(schema) << ",\"text\":" << quoted(w.text) << "}\n";
      }
    }
  }
  CHECK(ended > walks * 9 / 10);
}

TEST_CASE("a mask allows exactly the tokens whose bytes are accepted") {
  random_numbers r{11};
  std::size_t allowed = 0, refused = 0;
  for (std::size_t n = 0; n < schemas().size(); ++n) {
    const llava::grammar g = of(schemas()[n]);
    for (std::size_t k = 0; k < subjects().size(); ++k) {
      if ((n + k) % 6 != 0 && n + 1 != schemas().size()) continue;
      const subject& s = subjects()[k];
      const llava::token_masks masks = masks_of(g, s);
      llava::constraint at(masks);
      for (int step = 0; step < 25 && !at.ended(); ++step) {
        std::vector<float> logits(s.words.size() + 70, 1.f);
        REQUIRE(at.try_apply(logits));
        std::vector<std::int32_t> next;
        for (std::int32_t t = -1; t < static_cast<std::int32_t>(logits.size()) + 1; ++t) {
          llava::constraint fork = at;
          const bool accepted = *fork.try_accept(t), is_allowed = t >= 0 &&
                                                                  static_cast<std::size_t>(t) < logits.size() &&
                                                                  logits[static_cast<std::size_t>(t)] == 1.f;
          if (accepted != is_allowed) FAIL(s.name << ": token " << t << " '" << s.vocabulary.bytes(t) << "'");
          ++(accepted ? allowed : refused);
          if (accepted && t != s.eos) next.push_back(t);
        }
        if (next.empty()) break;
        REQUIRE(*at.try_accept(next[r.below(next.size())]));
      }
    }
  }
  CHECK(allowed > 10000);
  CHECK(refused > 100000);
}

TEST_CASE("texts of the vectors are accepted token by token") {
  const std::string file = LLAVA_TEST_DATA "/grammar/vectors.json";
  const auto json = llava::try_parse_json(file, *llava::try_read_text_file(file));
  REQUIRE(json);
  std::size_t texts = 0;
  for (const llava::json_value& c : json->find("cases")->items()) {
    const llava::grammar g = of(*c.find("schema")->text());
    for (const char* name : {"llama3", "spm"}) {
      const subject s = open(name);
      const llava::token_masks masks = masks_of(g, s);
      for (const llava::json_value& t : c.find("accept")->items()) {
        if (t.text()->starts_with(' ') && s.name == "spm") continue;  // it puts a space in front by itself
        llava::constraint state(masks);
        std::string bytes;
        for (const std::int32_t id : s.words.encode(*t.text(), {.add_special = false})) {
          std::vector<float> logits(s.words.size() + 70, 1.f);
          REQUIRE(state.try_apply(logits));
          if (logits[static_cast<std::size_t>(id)] != 1.f || !*state.try_accept(id)) {
            FAIL(name << ": '" << s.vocabulary.bytes(id) << "' is refused after '" << bytes << "' in " << *t.text());
          }
          bytes += s.vocabulary.bytes(id);
        }
        CHECK(state.complete());
        CHECK(*state.try_accept(s.eos));
        ++texts;
      }
    }
  }
  CHECK(texts > 1500);
}

TEST_CASE("end tokens are allowed exactly where the text is complete, and then nothing else") {
  const subject& s = subjects()[0];
  const std::vector<std::string> texts{"no", "none"};
  const llava::token_masks masks = masks_of(*llava::grammar::try_choices(texts), s);
  llava::constraint state(masks);
  const auto byte = [&](char c) {
    for (std::size_t t = 0; t < s.words.size(); ++t)
      if (s.vocabulary.bytes(static_cast<std::int32_t>(t)) == std::string_view(&c, 1))
        return static_cast<std::int32_t>(t);
    return -1;
  };
  CHECK(!*state.try_accept(s.eos));
  CHECK(*state.try_accept(byte('n')));
  CHECK(!state.complete());
  CHECK(!*state.try_accept(byte('x')));
  CHECK(*state.try_accept(byte('o')));
  CHECK(state.complete());
  llava::constraint fork = state;
  CHECK(*fork.try_accept(byte('n')));
  CHECK(!fork.complete());
  CHECK(*state.try_accept(s.eos));
  CHECK(state.ended());
  std::vector<float> logits(s.words.size(), 0.f);
  REQUIRE(state.try_apply(logits));
  for (std::size_t t = 0; t < logits.size(); ++t) CHECK((logits[t] == 0.f) == (static_cast<std::int32_t>(t) == s.eos));
  CHECK(!*state.try_accept(byte('n')));
  REQUIRE(fork.try_apply(logits = std::vector<float>(s.words.size(), 0.f)));
  CHECK(logits[static_cast<std::size_t>(byte('e'))] == 0.f);
  CHECK(logits[static_cast<std::size_t>(s.eos)] == never);
}

TEST_CASE("wrong arguments are refused with a sentence") {
  const subject& s = subjects()[0];
  const llava::grammar g = *llava::grammar::try_json_object();
  for (const std::vector<std::int32_t>& eos : std::vector<std::vector<std::int32_t>>{{}, {-1}, {1 << 30}}) {
    const auto masks = llava::token_masks::try_make(g, s.vocabulary, eos);
    REQUIRE(!masks);
    CHECK(masks.error().sentence().find("end token") != std::string::npos);
  }
  llava::constraint state(masks_of(g, s));
  std::vector<float> few(1, 0.f), none;
  CHECK(!state.try_apply(few));
  CHECK(!state.try_apply(none));
  CHECK(!llava::token_vocabulary::try_make(llava::tokenizer()));
  const auto pieces = llava::try_open_tokenizer(LLAVA_TEST_DATA "/text/spm_collapse");
  REQUIRE(pieces);
  const auto lacks = llava::token_vocabulary::try_make(*pieces);
  REQUIRE(!lacks);
  CHECK(lacks.error().sentence().find("the byte 0x80") != std::string::npos);
}

TEST_CASE("a token that needs more than the largest work is an error, and the others remain") {
  const subject& s = subjects()[0];
  std::string schema = R"({"anyOf": [{"type": "boolean"})";
  for (int i = 0; i < 300; ++i)
    schema += llava::text_of(R"(, {"type": "object", "properties": {"a": {"$ref": "#"}, "b)", i, R"(": {}}})");
  const llava::grammar g = of(schema + "]}");
  const auto masks = llava::token_masks::try_make(g, s.vocabulary, std::span(&s.eos, 1), 5000);
  REQUIRE(masks);
  CHECK(masks->bytes() > g.states().states.size());
  llava::constraint state(*masks);
  std::vector<float> logits(s.words.size() + 1, 0.f), expected = logits;
  const auto byte = [&](char c) {
    for (std::size_t t = 0;; ++t)
      if (s.vocabulary.bytes(static_cast<std::int32_t>(t)) == std::string_view(&c, 1))
        return static_cast<std::int32_t>(t);
  };
  const auto mask = state.try_apply(logits);
  REQUIRE(!mask);
  CHECK(mask.error().sentence().find("more than 5000 steps") != std::string::npos);
  const std::int32_t open = byte('{');
  REQUIRE(*state.try_accept(open));
  const auto fewer = llava::token_masks::try_make(g, s.vocabulary, std::span(&s.eos, 1), 100);
  REQUIRE(fewer);
  const auto accepted = llava::constraint(*fewer).try_accept(open);
  REQUIRE(!accepted);
  CHECK(accepted.error().sentence().find("more than 100 steps") != std::string::npos);
  // Without a limit the same texts have masks, and what failed above left nothing behind.
  llava::constraint free(masks_of(g, s)), again(*masks);
  REQUIRE(free.try_apply(expected));
  CHECK(expected[static_cast<std::size_t>(open)] == 0.f);
  CHECK(!again.try_apply(logits));
  REQUIRE(*again.try_accept(byte('t')));
  REQUIRE(again.try_apply(logits));
  CHECK(logits[static_cast<std::size_t>(byte('r'))] == 0.f);
}

TEST_CASE("R12: memory is refused while a schema is compiled and a mask computed") {
  const subject& s = subjects()[0];
  const std::string schema = schemas().back();
  CHECK(refuse_each([&] { return llava::grammar::try_json_schema(schema); }) > 100);
  CHECK(refuse_each([&] { return llava::token_vocabulary::try_make(s.words); }, 100, 31) > 15);
  const llava::grammar g = of(schema);
  CHECK(refuse_each([&] { return llava::token_masks::try_make(g, s.vocabulary, std::span(&s.eos, 1)); }) > 5);
  // A refusal in the middle of an answer changes nothing: the answer goes on as if it had not been.
  const llava::token_masks masks = masks_of(g, s), others = masks_of(g, s);
  std::vector<float> expected(s.words.size() + 1), logits(expected.size());
  llava::constraint at(masks), twin(others);
  random_numbers r{2};
  int refusals = 0;
  for (int step = 0; step < 30 && !at.ended(); ++step) {
    std::fill(expected.begin(), expected.end(), 0.f);
    REQUIRE(twin.try_apply(expected));
    std::vector<std::int32_t> allowed;
    for (std::size_t t = 0; t < expected.size(); ++t)
      if (expected[t] == 0.f) allowed.push_back(static_cast<std::int32_t>(t));
    refusals += refuse_each([&]() -> llava::result<void> {
      std::fill(logits.begin(), logits.end(), 0.f);
      return at.try_apply(logits);
    });
    CHECK(logits == expected);
    const std::int32_t token = allowed[r.below(allowed.size())];
    llava::constraint before = at;
    refusals += refuse_each([&] {
      at = before;
      return at.try_accept(token);
    });
    REQUIRE(*twin.try_accept(token));
    CHECK(at.complete() == twin.complete());
  }
  CHECK(refusals > 100);
}

TEST_CASE("a full cache is replaced, and answers that are under way go on") {
  const subject& s = subjects()[0];
  const llava::token_masks masks = masks_of(*llava::grammar::try_json_object(), s);
  llava::constraint waits(masks);
  random_numbers r{5};
  std::vector<float> logits(s.words.size() + 1, 0.f);
  for (const std::int32_t id : s.words.encode(R"({"a": [{"b": ")", {.add_special = false}))
    REQUIRE(*waits.try_accept(id));
  std::vector<float> before(s.words.size() + 1, 0.f);
  REQUIRE(waits.try_apply(before));
  // Long texts with changing stacks fill the cache several times.
  for (int round = 0; round < 3000; ++round) {
    llava::constraint one(masks);
    std::string opened = "{";
    for (int i = 0; i < 60; ++i) opened += r.below(2) ? "\"k\":{" : "\"k\":[{";
    if (round % 100 == 0) REQUIRE(one.try_apply(logits));
    for (const char c : opened.substr(0, 300)) {
      bool found = false;
      for (std::int32_t t = 0; !found && t < 768; ++t)
        if (s.vocabulary.bytes(t) == std::string_view(&c, 1)) found = *one.try_accept(t);
      if (!found) break;
    }
  }
  std::vector<float> after(s.words.size() + 1, 0.f);
  REQUIRE(waits.try_apply(after));
  CHECK(before == after);
}
