// SPDX-License-Identifier: Apache-2.0
/// The stages of a model as cases: encode, prefill of N tokens, decode at depth N, first token, load, end to end
/// without and with load. The model is verified first (checked_model.hpp). A decode row must equal the same row of a
/// prefill bit for bit (R14) if the backend promises that.
#pragma once
#include <thread>

#include "amounts.hpp"
#include "checked_model.hpp"
#include "peak_memory.hpp"

namespace bench {

/// Runs a model's language part directly. The token ids are arbitrary: only their number matters.
template <class Subject>
class stepper {
 public:
  explicit stepper(const typename Subject::model_type& model)
      : state_(model.state()), cache_(state_.blocks), lent_(*state_.try_lend()) {}

  /// Appends `tokens` tokens in chunks of the largest step and keeps the logits of the last.
  void run(int tokens) {
    std::vector<llava::prompt_token> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back({(cache_.tokens() + i) * 7919 % state_.stages.text->vocab(), 0});
    for (std::size_t at = 0; at < ids.size();) {
      const std::size_t n = std::min(ids.size() - at, static_cast<std::size_t>(state_.limits.tokens));
      llava::step_part part;
      part.cache = &cache_;
      part.tokens = std::span<const llava::prompt_token>(ids).subspan(at, n);
      part.logit_rows = at + n == ids.size() ? 1 : 0;
      if (!cache_.try_reserve(cache_.tokens() + static_cast<int>(n))) std::abort();  // options() has room for all
      const auto ran = lent_->run({std::span<const llava::step_part>(&part, 1)}, [] { return true; });
      if (!ran) std::fprintf(stderr, "%s\n", ran.error().what()), std::abort();
      at += n;
    }
    const auto row = lent_->results.logits;  // (1, V)
    logits_.assign(row.data(), row.data() + row.size());
  }
  void forget(int tokens) { cache_.truncate(tokens); }
  const std::vector<float>& logits() const { return logits_; }

 private:
  typename Subject::model_type::state_type& state_;
  llava::kv_sequence cache_;
  llava::workspace_pool::lease lent_;
  std::vector<float> logits_;
};

/// Encodes an image to image tokens.
struct encode {
  model_shape shape;
  std::string name() const { return "encode/" + shape.name; }
  template <class Subject>
  void run(benchmark::State& state) const {
    with_model<Subject>(state, shape, [&](auto& model) {
      const llava::image img = some_image(shape.vision.image);
      const auto once = [&](std::size_t) { return model.try_encode(img); };
      const auto tokens = once(0);
      if (!tokens) return give_up(state, tokens.error().what());
      bool finite = true;
      for (std::ptrdiff_t i = 0; i < (*tokens)->view().size(); ++i)
        finite &= std::isfinite((*tokens)->view().data()[i]);
      if (!finite) return give_up(state, "the image tokens are not finite");
      time(state, encode_work<typename Subject::policy>(model.state()), once);
    });
  }
};

/// Prefills N tokens into an empty cache.
struct prefill {
  int tokens;
  model_shape shape;
  std::string name() const { return "prefill" + std::to_string(tokens) + "/" + shape.name; }
  template <class Subject>
  void run(benchmark::State& state) const {
    with_model<Subject>(state, shape, [&](auto& model) {
      stepper<Subject> steps(model);
      time(state, step_work<typename Subject::policy>(model.state(), tokens, 0), [&](std::size_t) {
        steps.forget(0);
        steps.run(tokens);
      });
      state.counters["tok/s"] = per_second(tokens);
    });
  }
  static benchmark::Counter per_second(double n) { return {n, benchmark::Counter::kIsIterationInvariantRate}; }
};

/// Decodes one token after N.
struct decode {
  int depth;
  model_shape shape;
  std::string name() const { return "decode_at" + std::to_string(depth) + "/" + shape.name; }
  template <class Subject>
  void run(benchmark::State& state) const {
    with_model<Subject>(state, shape, [&](auto& model) {
      stepper<Subject> steps(model);
      steps.run(depth + 1);
      const std::vector<float> in_prefill = steps.logits();
      steps.forget(depth);
      steps.run(1);
      if (llava::is_batch_deterministic<typename Subject::backend> && steps.logits() != in_prefill)
        return give_up(state, "a decode row differs from the same row of a prefill");
      time(state, step_work<typename Subject::policy>(model.state(), 1, depth), [&](std::size_t) {
        steps.forget(depth);
        steps.run(1);
      });
      state.counters["tok/s"] = prefill::per_second(1);
    });
  }
};

/// Options with a packed file for the backend's layout of the weights. Weights that are used as stored need none.
template <class Subject>
llava::open_options packed_options(const std::string& folder) {
  llava::open_options how = options();
  if (llava::has_block_weights<typename Subject::policy>)
    how.packed_file = folder + "/" + name_of_weights<typename Subject::format>() + ".packed";
  return how;
}

/// Opens a folder whose files are in the page cache; if `packed`, with the packed file, written beforehand. Counter:
/// peak_GB, the peak memory use.
struct load {
  bool packed;
  model_shape shape;
  std::string name() const { return (packed ? "load_packed/" : "load/") + shape.name; }
  template <class Subject>
  bool affordable() const {
    return !packed || llava::has_block_weights<typename Subject::policy>;
  }
  template <class Subject>
  void run(benchmark::State& state) const {
    if (!is_right_on_tiny<Subject>(state)) return;
    last_model().reset();  // so that the peak does not include another model
    const std::string folder = folder_for<Subject>(shape);
    const llava::open_options how = packed ? packed_options<Subject>(folder) : options();
    if (auto once = Subject::model_type::try_open(folder, how); !once) return give_up(state, once.error().what());
    const peak_memory peak;
    for (auto _ : state) {
      auto opened = Subject::model_type::try_open(folder, how);
      if (!opened) return give_up(state, opened.error().what());
    }
    peak.count(state);
  }
};

/// Answers a prompt of `prompt` tokens (bytes, to the tokenizer) and an image with `answer` new tokens, in a new
/// session of an open model. With one new token, this is the time to the first token. Counter: the prompt's length
/// including the image tokens.
struct end_to_end {
  int prompt, answer;
  model_shape shape;
  std::string name() const {
    return (answer == 1 ? "first_token" : "end_to_end" + std::to_string(answer)) + "/" + shape.name;
  }
  template <class Subject>
  void run(benchmark::State& state) const {
    with_model<Subject>(state, shape, [&](auto& model) {
      const auto first = try_ask(model);
      if (!first) return give_up(state, first.error().what());
      const std::vector<work> parts = parts_of<Subject>(model, *first);
      time(state, parts, [&] { return try_ask(model); });
      state.counters["prompt"] = first->prompt_tokens;
    });
  }

  /// The parts of an answer, each with its own floor: encode, prefill and one step per further token.
  template <class Subject>
  std::vector<work> parts_of(const typename Subject::model_type& model, const llava::answer& answered) const {
    using policy = typename Subject::policy;
    std::vector<work> parts{encode_work<policy>(model.state())};
    parts.push_back(step_work<policy>(model.state(), answered.prompt_tokens, 0));
    for (int i = 1; i < answer; ++i) parts.push_back(step_work<policy>(model.state(), 1, answered.prompt_tokens + i));
    return parts;
  }

  /// Times a body that returns a result, and sets roof%: the sum of the parts' floors as a share of that time.
  template <class Body>
  static void time(benchmark::State& state, const std::vector<work>& parts, Body&& body) {
    memory_roof roof;
    const auto start = std::chrono::steady_clock::now();
    for (auto _ : state)
      if (const auto done = body(); !done) return give_up(state, done.error().what());
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    roof.both();
    double floor = 0;
    for (const work& w : parts) floor += w.floor();
    state.counters["roof%"] = 100 * floor * static_cast<double>(state.iterations()) / took.count();
  }

  /// Returns the answer, or an error if it does not have `answer` tokens.
  template <class Model>
  llava::result<llava::answer> try_ask(const Model& model) const {
    std::string question = "?";
    while (text_tokens(model, question) < prompt) question += " ?";
    auto chat = model.session();
    chat.settings.max_new_tokens = answer;
    chat.settings.ignore_eos = true;
    LLAVA_TRY(answered, chat.try_ask(some_image(shape.vision.image), question));
    if (static_cast<int>(answered.tokens.size()) != answer)
      return llava::fail(llava::errc::mismatch, "the answer has too few tokens");
    return answered;
  }

 private:
  template <class Model>
  static int text_tokens(const Model& model, const std::string& question) {
    return static_cast<int>(
        llava::prompt_ids(model.tokenizer(), model.description(), *model.try_prompt(1, question), true).size());
  }
};

/// A program that answers one question: opens the model (from its packed file if it has one; the files are in the page
/// cache) and answers. Counter: peak_GB, the peak memory use.
struct with_load {
  end_to_end inner;
  std::string name() const { return "with_load" + std::to_string(inner.answer) + "/" + inner.shape.name; }
  template <class Subject>
  void run(benchmark::State& state) const {
    if (!is_right_on_tiny<Subject>(state)) return;
    last_model().reset();  // so that the peak does not include another model
    const std::string folder = folder_for<Subject>(inner.shape);
    const llava::open_options how = packed_options<Subject>(folder);
    std::vector<work> parts;
    const auto once = [&]() -> llava::result<void> {
      LLAVA_TRY(model, Subject::model_type::try_open(folder, how));
      LLAVA_TRY(answered, inner.try_ask(model));
      parts = inner.template parts_of<Subject>(model, answered);
      return {};
    };
    if (auto first = once(); !first) return give_up(state, first.error().what());  // may write the packed file
    const peak_memory peak;
    end_to_end::time(state, parts, once);
    peak.count(state);
  }
};

/// Another case while an unrelated thread keeps one core busy. No more may be lost than that thread's fair share: one
/// core's, a third of the machine on two cores. The result does not change (R14).
template <class Case>
struct with_busy_core {
  Case inner;
  std::string name() const { return "busy_" + inner.name(); }
  template <class Subject>
  void run(benchmark::State& state) const {
    const std::jthread busy([](const std::stop_token& stop) {
      while (!stop.stop_requested()) benchmark::ClobberMemory();
    });
    inner.template run<Subject>(state);
  }
};

/// The stages of one shape for one subject.
template <class Subject>
void add_stages(const model_shape& shape) {
  add<Subject>(encode{shape});
  for (int tokens : {64, 640}) add<Subject>(prefill{tokens, shape});
  for (int depth : {1, 640}) add<Subject>(decode{depth, shape});
  add<Subject>(with_busy_core<prefill>{{64, shape}});
  add<Subject>(with_busy_core<decode>{{640, shape}});
  add<Subject>(end_to_end{64, 1, shape});
  add<Subject>(end_to_end{64, 64, shape});
  add<Subject>(load{false, shape});
  add<Subject>(load{true, shape});
  add<Subject>(with_load{{64, 64, shape}});
}

}  // namespace bench
