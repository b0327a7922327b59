// SPDX-License-Identifier: Apache-2.0
/// The stages of a model as cases: encode, prefill of N tokens, decode at depth N, first token, load, and end to end. Before
/// anything is timed the subject answers on the bundled model, where its logits are held against the scalar backend's in
/// f32; and on the model itself a decode row must give the bytes of the same row in a prefill (R14), where the backend
/// promises that.
#pragma once
#include <llava/backend/scalar.hpp>
#include <thread>

#include "amounts.hpp"
#include "peak_memory.hpp"
#include "subject.hpp"

namespace bench {

/// A picture of the tower's size, so that preprocessing is next to nothing.
inline llava::image some_picture(int side) {
  llava::image picture(side, side);
  for (std::size_t i = 0; i < picture.pixels().size(); ++i)
    picture.pixels()[i] = static_cast<std::uint8_t>(128.f + 127.f * random_at(i));
  return picture;
}

/// Logits of a question about a picture on the bundled model: those of f32 on the scalar backend, made once.
const std::vector<float>& reference_logits(const llava::image& picture, const std::string& prompt);

/// A sentence when a subject's logits on the bundled model are not the reference's. A model whose type has its sizes cannot
/// open that one; it is held against itself only.
template <class Subject>
std::string mistake_on_tiny() {
  if constexpr (requires { Subject::model::text; }) return {};
  auto model = Subject::model_type::try_open(LLAVA_EXAMPLES_DIR "/tiny", options());
  if (!model) return model.error().what();
  const llava::image picture = some_picture(84);
  const std::string prompt = *model->try_prompt(1, "How many shapes are there?");
  auto chat = model->session();
  const auto logits = chat.try_logits(prompt, std::span<const llava::image>(&picture, 1));
  if (!logits) return logits.error().what();
  const auto& expected = reference_logits(picture, prompt);
  nmse error;
  for (std::size_t i = 0; i < expected.size(); ++i)
    error.add(static_cast<double>((*logits)[i]), static_cast<double>(expected[i]));
  // 16-bit weights and cache round; what quantised weights lose is measured elsewhere, here it must only be the model.
  const double most = arithmetic_of<typename Subject::policy::text>() == arithmetic::int8 ? 5e-2 : 1e-3;
  if (logits->size() == expected.size() && error.value() < most) return {};
  return "wrong logits on the bundled model: NMSE " + std::to_string(error.value());
}

/// Drives a model's language part directly: tokens that are random but for the prompt's length do not matter.
template <class Subject>
class stepper {
 public:
  using backend = typename Subject::backend;
  explicit stepper(const typename Subject::model_type& model)
      : state_(model.state()), cache_(*state_.blocks), lent_(*state_.workspaces->try_lend()) {}

  /// So many more tokens, in chunks of the largest step; the logits of the last.
  void run(int tokens) {
    std::vector<llava::prompt_token> ids;
    for (int i = 0; i < tokens; ++i) ids.push_back({(cache_.tokens() + i) * 7919 % state_.decoder_->vocab(), 0});
    for (std::size_t at = 0; at < ids.size();) {
      const std::size_t n = std::min(ids.size() - at, static_cast<std::size_t>(state_.limits.tokens));
      llava::step_part<backend> part;
      part.cache = &cache_;
      part.tokens = std::span<const llava::prompt_token>(ids).subspan(at, n);
      part.logit_rows = at + n == ids.size() ? 1 : 0;
      if (!cache_.try_reserve(cache_.tokens() + static_cast<int>(n))) std::abort();  // options() has room for all
      run_step(
          lent_->queue, *state_.decoder_, state_.cache, lent_->staging,
          std::span<const llava::step_part<backend>>(&part, 1), [] { return true; },
          [&](auto& q, llava::matrix_view<float> rows) {
            logits_.resize(static_cast<std::size_t>(rows.size()));
            download(q, std::span<float>(logits_), llava::matrix_view<const float>(rows));
          });
      at += n;
    }
  }
  void forget(int tokens) { cache_.truncate(tokens); }
  const std::vector<float>& logits() const { return logits_; }

 private:
  typename Subject::model_type::state_type& state_;
  llava::kv_sequence cache_;
  typename llava::workspace_pool<backend>::lease lent_;
  std::vector<float> logits_;
};

/// Ends a benchmark with a sentence where the subject is wrong on the bundled model, which is seen once.
template <class Subject>
bool is_right_on_tiny(benchmark::State& state) {
  static const std::string mistake = mistake_on_tiny<Subject>();
  if (mistake.empty()) return true;
  state.SkipWithError(mistake.c_str());
  return false;
}

/// What the stages of an open model share: one that has been found right, or the end of the benchmark.
template <class Subject, class Body>
void with_model(benchmark::State& state, const model_shape& shape, Body&& body) {
  if (!is_right_on_tiny<Subject>(state)) return;
  auto model = try_model_of<Subject>(shape);
  if (!model) return state.SkipWithError(model.error().what());
  body(*model);
}

/// Picture to image tokens.
struct encode {
  model_shape shape;
  std::string name() const { return "encode/" + shape.name; }
  template <class Subject>
  void run(benchmark::State& state) const {
    with_model<Subject>(state, shape, [&](auto& model) {
      const llava::image picture = some_picture(shape.vision.image);
      const auto once = [&](std::size_t) { return model.try_encode(picture); };
      const auto tokens = once(0);
      if (!tokens) return state.SkipWithError(tokens.error().what());
      bool finite = true;
      for (std::ptrdiff_t i = 0; i < (*tokens)->view().size(); ++i)
        finite &= std::isfinite((*tokens)->view().data()[i]);
      if (!finite) return state.SkipWithError("image tokens that are not numbers");
      time(state, encode_work<typename Subject::policy>(model.state()), once);
    });
  }
};

/// N tokens from an empty cache.
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

/// One token after N.
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
        return state.SkipWithError("a decode row differs from the same row of a prefill");
      time(state, step_work<typename Subject::policy>(model.state(), 1, depth), [&](std::size_t) {
        steps.forget(depth);
        steps.run(1);
      });
      state.counters["tok/s"] = prefill::per_second(1);
    });
  }
};

/// Opening a folder whose files the system has in memory; `packed`: with the file that keeps what the backend has laid out,
/// written beforehand. Counter: peak_GB, the most memory that it takes.
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
    last_model().reset();  // no other model's memory is in the count
    const std::string folder = folder_for<Subject>(shape);
    llava::open_options how = options();
    if (packed) how.packed_file = folder + "/" + name_of_weights<typename Subject::format>() + ".packed";
    if (auto once = Subject::model_type::try_open(folder, how); !once) return state.SkipWithError(once.error().what());
    const peak_memory peak;
    for (auto _ : state) {
      auto opened = Subject::model_type::try_open(folder, how);
      if (!opened) return state.SkipWithError(opened.error().what());
    }
    peak.count(state);
  }
};

/// A picture and a prompt of `prompt` tokens (bytes, to the tokenizer), `answer` new tokens, in a new session; the model is
/// open. With one new token: the time to the first. Counters: the prompt's length, and peak_GB, the memory that it takes.
struct end_to_end {
  int prompt, answer;
  model_shape shape;
  std::string name() const {
    return (answer == 1 ? "first_token" : "end_to_end" + std::to_string(answer)) + "/" + shape.name;
  }
  template <class Subject>
  void run(benchmark::State& state) const {
    with_model<Subject>(state, shape, [&](auto& model) {
      const llava::image picture = some_picture(shape.vision.image);
      std::string question = "?";
      while (static_cast<int>(text_tokens(model, question)) < prompt) question += " ?";
      const auto ask = [&](std::size_t) {
        auto chat = model.session();
        chat.settings.max_new_tokens = answer;
        chat.settings.ignore_eos = true;
        return chat.try_ask(picture, question);
      };
      const auto answered = ask(0);
      if (!answered) return state.SkipWithError(answered.error().what());
      if (static_cast<int>(answered->tokens.size()) != answer)
        return state.SkipWithError("an answer that is too short");
      memory_roof roof;
      const peak_memory peak;
      const auto start = std::chrono::steady_clock::now();
      for (auto _ : state) static_cast<void>(ask(0));
      const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
      peak.count(state);
      roof.both();
      using policy = typename Subject::policy;
      double floor = encode_work<policy>(model.state()).floor() +
                     step_work<policy>(model.state(), answered->prompt_tokens, 0).floor();
      for (int i = 1; i < answer; ++i)
        floor += step_work<policy>(model.state(), 1, answered->prompt_tokens + i).floor();
      state.counters["roof%"] = 100 * floor * static_cast<double>(state.iterations()) / took.count();
      state.counters["prompt"] = answered->prompt_tokens;
    });
  }

 private:
  template <class Model>
  static std::size_t text_tokens(const Model& model, const std::string& question) {
    return llava::prompt_ids(model.words(), model.description(), *model.try_prompt(1, question), true).size();
  }
};

/// Another case while a thread of somebody else's keeps a core busy: its share is a core's, on two cores a third of the
/// machine, and more than that must not be lost (R14's bytes are the same, whatever it does).
template <class Case>
struct beside_a_busy_thread {
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
  add<Subject>(beside_a_busy_thread<prefill>{{64, shape}});
  add<Subject>(beside_a_busy_thread<decode>{{640, shape}});
  add<Subject>(end_to_end{64, 1, shape});
  add<Subject>(end_to_end{64, 64, shape});
  add<Subject>(load{false, shape});
  add<Subject>(load{true, shape});
}

}  // namespace bench
