// SPDX-License-Identifier: Apache-2.0
// The tokens that a JSON Schema allows next, over vocabularies of the sizes of Llama 1 and 2 and of Llama 3.
//   first    a mask that is computed for the first time, in a state of the named kind
//   again    a mask that is known: its logits are set, and a token is accepted
//   answer   a whole answer, the mean of a token in us/token: with a new grammar (first), and once more (again)
// step% of an answer is a token's share of a decode step of --step=MS, 40 unless given: what bench/pipeline or a server
// has measured for a model. It should be below 5.
// The vocabularies are random words, numbers and punctuation in about the proportions of real ones. With
// --model=FOLDER the folder's own tokenizer is measured instead.
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/grammar/constraint.hpp>

#include "../harness.hpp"

namespace {

constexpr const char* schema = R"({"type": "object", "properties": {
  "name": {"type": "string"}, "code": {"type": "string", "maxLength": 12}, "count": {"type": "integer"},
  "kind": {"enum": ["animal", "building", "person", "vehicle"]},
  "parts": {"type": "array", "items": {"type": "object", "additionalProperties": {"type": "number"}}}},
  "required": ["name", "kind"], "additionalProperties": {"type": "string"}})";

/// Random tokens: every byte, then words of letters, most of them after a space, and some numbers, JSON punctuation,
/// runs of spaces and characters of three bytes.
std::vector<std::string> random_tokens(std::size_t count) {
  std::vector<std::string> all;
  for (int b = 0; b < 256; ++b) all.emplace_back(1, static_cast<char>(b));
  std::uint64_t x = 1;
  const auto below = [&](std::uint64_t n) {
    x = x * 6364136223846793005u + 1442695040888963407u;
    return (x >> 33) % n;
  };
  constexpr std::string_view letters = "eeeeetttaaooiinnsshhrrdlcumwfgypbvkjxqz", marks = "\"\"\":,{}[]()<>=;./\\ \n";
  while (all.size() < count) {
    const std::uint64_t kind = below(100);
    std::string token = kind < 50 ? " " : "";
    const std::uint64_t length = 2 + below(kind < 80 ? 9 : 3);
    for (std::uint64_t i = 0; i < length; ++i) {
      if (kind < 80)
        token += letters[below(letters.size())];
      else if (kind < 84)
        token += static_cast<char>('0' + below(10));
      else if (kind < 92)
        token += marks[below(marks.size())];
      else if (kind < 94)
        token += ' ';
      else
        token += {'\xe4', static_cast<char>(0xb8 + below(8)), static_cast<char>(0x80 + below(64))};
    }
    all.push_back(std::move(token));
  }
  return all;
}

struct host {
  static constexpr std::string_view name = "host";
};

llava::result<llava::token_vocabulary> make_vocabulary(std::size_t size) {
  if (bench::chosen().model.empty()) return llava::token_vocabulary::try_make(random_tokens(size));
  LLAVA_TRY(words, llava::try_open_tokenizer(bench::chosen().model));
  return llava::token_vocabulary::try_make(words);
}
/// Makes each vocabulary once.
llava::result<llava::token_vocabulary> vocabulary(std::size_t size) {
  static std::vector<std::pair<std::size_t, llava::token_vocabulary>> made;
  for (const auto& [known, words] : made)
    if (known == size) return words;
  LLAVA_TRY(words, make_vocabulary(size));
  made.emplace_back(size, words);
  return words;
}

struct mask_case {
  std::string kind, text;  // the answer so far
  std::size_t size;
  bool is_known;

  std::string name() const {
    return "token_mask/" + std::string(is_known ? "again/" : "first/") + kind + "/V" + std::to_string(size);
  }
  template <class>
  void run(benchmark::State& state) const {
    const auto opened = vocabulary(size);
    if (!opened) return bench::give_up(state, opened.error().what());
    const llava::token_vocabulary& words = *opened;
    const auto grammar = llava::grammar::try_json_schema(schema);
    if (!grammar) return bench::give_up(state, grammar.error().what());
    const std::int32_t eos[] = {static_cast<std::int32_t>(words.size())};
    std::vector<std::int32_t> bytes(256);
    for (std::size_t id = words.size(); id-- > 0;)
      if (const auto b = words.bytes(static_cast<std::int32_t>(id)); b.size() == 1)
        bytes[static_cast<unsigned char>(b[0])] = static_cast<std::int32_t>(id);
    const auto begin = [&] {
      llava::constraint c(*llava::token_masks::try_make(*grammar, words, eos));
      for (const char b : text) static_cast<void>(c.try_accept(bytes[static_cast<unsigned char>(b)]));
      return c;
    };
    std::vector<float> logits(words.size() + 1, 1.f);
    llava::constraint at = begin();
    if (!at.try_apply(logits)) return bench::give_up(state, "no token is allowed");
    double wrong = 0;  // a mask allows what is accepted
    for (std::size_t t = 0; t < logits.size(); ++t) {
      llava::constraint fork = at;
      wrong += *fork.try_accept(static_cast<std::int32_t>(t)) != (logits[t] == 1.f);
    }
    if (!bench::is_right(state, wrong, 0)) return;
    if (is_known) {
      const auto allowed = static_cast<std::int32_t>(std::find(logits.begin(), logits.end(), 1.f) - logits.begin());
      for (auto _ : state) {
        llava::constraint fork = at;
        benchmark::DoNotOptimize(fork.try_apply(logits));
        benchmark::DoNotOptimize(fork.try_accept(allowed));
      }
      return;
    }
    for (auto _ : state) {
      state.PauseTiming();
      llava::constraint one = begin();
      std::fill(logits.begin(), logits.end(), 1.f);
      state.ResumeTiming();
      benchmark::DoNotOptimize(one.try_apply(logits));
    }
  }
};

struct answer_case {
  std::string kind;
  bool is_schema;
  std::size_t size;
  bool is_known;

  std::string name() const {
    return "token_mask/answer/" + std::string(is_known ? "again/" : "first/") + kind + "/V" + std::to_string(size);
  }
  /// The ids of an answer, each the longest token that fits.
  static std::vector<std::int32_t> tokens_of(const llava::token_vocabulary& words) {
    constexpr std::string_view text =
        R"({"name": "an old stone bridge over the river", "code": "br-17", "count": 12, "kind": "building", "parts": )"
        R"([{"arches": 3, "height": 7.25}, {"rails": 2}], "colour": "grey, with some moss on the northern side"})";
    std::vector<std::int32_t> ids;
    for (std::size_t at = 0; at < text.size();) {
      std::int32_t longest = -1;
      for (std::size_t id = 0; id < words.size(); ++id) {
        const std::string_view b = words.bytes(static_cast<std::int32_t>(id));
        if (!b.empty() && text.substr(at).starts_with(b) && (longest < 0 || b.size() > words.bytes(longest).size()))
          longest = static_cast<std::int32_t>(id);
      }
      ids.push_back(longest);
      at += words.bytes(longest).size();
    }
    return ids;
  }
  template <class>
  void run(benchmark::State& state) const {
    const auto words = vocabulary(size);
    if (!words) return bench::give_up(state, words.error().what());
    const auto grammar = is_schema ? llava::grammar::try_json_schema(schema) : llava::grammar::try_json_object();
    if (!grammar) return bench::give_up(state, grammar.error().what());
    const std::vector<std::int32_t> ids = tokens_of(*words);
    const std::int32_t eos[] = {static_cast<std::int32_t>(words->size())};
    std::vector<float> logits(words->size() + 1, 1.f);
    std::chrono::duration<double> took{};
    const auto answer = [&](const llava::token_masks& masks) {
      llava::constraint c(masks);
      bool is_right = true;
      const auto start = std::chrono::steady_clock::now();
      for (const std::int32_t id : ids) {
        is_right = c.try_apply(logits) && is_right;
        is_right = *c.try_accept(id) && is_right;
      }
      took += std::chrono::steady_clock::now() - start;
      return is_right && c.complete();
    };
    const llava::token_masks known = *llava::token_masks::try_make(*grammar, *words, eos);
    if (!answer(known)) return bench::give_up(state, "the answer does not fit the grammar");
    took = {};
    for (auto _ : state) answer(is_known ? known : *llava::token_masks::try_make(*grammar, *words, eos));
    const double each = took.count() / static_cast<double>(state.iterations()) / static_cast<double>(ids.size());
    state.counters["tokens"] = static_cast<double>(ids.size());
    state.counters["us/token"] = 1e6 * each;
    state.counters["step%"] = 100 * each / bench::chosen().step;
  }
};

const bench::file masks([] {
  for (const std::size_t size : {std::size_t{32000}, std::size_t{128256}})
    for (const bool is_known : {false, true}) {
      const auto add = [&](const char* kind, const char* text) {
        bench::add_one<host>(mask_case{kind, text, size, is_known});
      };
      add("start", "");
      add("value", "{\"name\":");
      add("string", "{\"name\": \"a");
      add("short_string", "{\"name\": \"a\", \"code\": \"ab");
      add("number", "{\"name\": \"a\", \"count\": 1");
      add("enum", "{\"name\": \"a\", \"kind\": \"");
      add("other_name", "{\"name\": \"a\", \"kind\": \"person\", \"");
      add("any_name", "{\"name\": \"a\", \"kind\": \"person\", \"parts\": [{\"");
      bench::add_one<host>(answer_case{"json_object", false, size, is_known});
      bench::add_one<host>(answer_case{"schema", true, size, is_known});
    }
});

}  // namespace
