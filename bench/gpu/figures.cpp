// SPDX-License-Identifier: Apache-2.0
/// Times the stages of a model whose weights have one format: writes a line of JSON for each figure as soon as it is
/// known, so that a stage that fails costs only the stages behind it.
///
///   figures --model FOLDER [--tiles FOLDER] [--runs 11] [--depth 700] [--prompt 640] [--batch 16] [--tokens 128]
///
/// --tiles names a folder of a model that cuts a picture into squares. With --tokens 0 no decode is measured. A time is
/// that of a call which returns when its results are in the host's memory; it is measured on the host. Each is called
/// four times before it is measured: the second call of a step with the same shape records a graph, and later ones
/// repeat it.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

#include <llava/pipeline/options.hpp>
#include <llava/pipeline/prepare.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/session.hpp>

#include "models.hpp"
#include "steps.hpp"

namespace {

using clock_type = std::chrono::steady_clock;
double seconds_since(clock_type::time_point start) {
  return std::chrono::duration<double>(clock_type::now() - start).count();
}

std::map<std::string, std::string> arguments{{"--runs", "11"},    {"--depth", "700"}, {"--prompt", "640"},
                                             {"--batch", "16"},   {"--model", ""},    {"--tiles", ""},
                                             {"--tokens", "128"}, {"--threads", "0"}};
int number(const char* name) { return std::atoi(arguments.at(name).c_str()); }

/// Writes a figure: {"figure": …, "weights": …, FACTS, "seconds": […]}.
void write(const std::string& figure, const std::string& facts, const std::vector<double>& seconds) {
  std::printf("{\"figure\": \"%s\", \"weights\": \"%s\"%s, \"seconds\": [", figure.c_str(),
              std::string(gpu::format_name).c_str(), facts.c_str());
  for (std::size_t i = 0; i < seconds.size(); ++i) std::printf("%s%.9g", i ? ", " : "", seconds[i]);
  std::printf("]}\n");
  std::fflush(stdout);
}
std::string fact(const char* name, int value) { return ", \"" + std::string(name) + "\": " + std::to_string(value); }

/// Calls prepare() and body() some times, and returns the seconds of the bodies.
template <class Prepare, class Body>
llava::result<std::vector<double>> try_time(Prepare&& prepare, Body&& body) {
  constexpr int warm_up = 4;
  std::vector<double> seconds;
  for (int i = 0; i < warm_up + number("--runs"); ++i) {
    prepare();
    const auto start = clock_type::now();
    LLAVA_CHECK(body());
    if (i >= warm_up) seconds.push_back(seconds_since(start));
  }
  return seconds;
}
constexpr auto nothing = [] {};

/// A picture that differs everywhere.
llava::image some_image(int width, int height) {
  llava::image img(width, height);
  std::uint32_t state = 1;
  for (std::uint8_t& x : img.pixels()) x = static_cast<std::uint8_t>((state = state * 1664525u + 1013904223u) >> 24);
  return img;
}

llava::result<void> encode(const llava::opened_model& model, const std::string& figure, int width, int height) {
  const llava::image img = some_image(width, height);
  LLAVA_TRY(plan, model.try_plan(width, height));
  LLAVA_TRY(seconds, try_time(nothing, [&]() -> llava::result<void> {
              LLAVA_TRY(tokens, model.try_encode_image(img, [] { return true; }));
              return tokens->rows > 0 ? llava::result<void>() : llava::fail(llava::errc::mismatch, "no image tokens");
            }));
  write(figure, fact("squares", plan.squares()) + fact("tokens", plan.tokens), seconds);
  return {};
}

llava::result<void> prefill(const llava::opened_model& model) {
  LLAVA_TRY(lent, model.try_lend());
  gpu::stepper steps(model, std::move(lent), 1);
  const int tokens = number("--prompt");
  LLAVA_TRY(seconds, try_time([&] { steps.forget(0); }, [&] { return steps.prefill(tokens); }));
  write("prefill", fact("tokens", tokens), seconds);
  return {};
}

/// Steps of one token for each of some sequences, all of them `--depth` tokens long.
llava::result<void> decode(const llava::opened_model& model, int sequences) {
  LLAVA_TRY(lent, model.try_lend());
  gpu::stepper steps(model, std::move(lent), sequences);
  const int depth = number("--depth");
  LLAVA_CHECK(steps.prefill(depth));
  LLAVA_TRY(seconds, try_time([&] { steps.forget(depth); }, [&] { return steps.decode(); }));
  write("decode", fact("depth", depth) + fact("sequences", sequences), seconds);
  return {};
}

/// A text that has `tokens` tokens in a prompt, at least 16.
llava::result<std::string> try_text(const llava::opened_model& model, int tokens, bool has_image) {
  std::string text = has_image ? "<image>\n" : "";
  const auto count = [&]() -> llava::result<int> {
    std::vector<llava::visual> images;
    if (has_image) images.emplace_back(some_image(model.shapes().image, model.shapes().image));
    LLAVA_TRY(prepared, llava::try_prepare(model, text, std::move(images)));
    return static_cast<int>(prepared.tokens.size());
  };
  text += "?";
  for (;;) {
    LLAVA_TRY(n, count());
    if (n >= tokens) return text;
    for (int i = 0; i < std::max(1, (tokens - n) / 3); ++i) text += " ?";
  }
}

/// From the call of a session to the first token: image, prompt and the draw. The image is new each time.
llava::result<void> first_token(const std::shared_ptr<const llava::opened_model>& model) {
  LLAVA_TRY(prompt, try_text(*model, number("--prompt"), true));
  llava::image img = some_image(model->shapes().image, model->shapes().image);
  int prompt_tokens = 0;
  LLAVA_TRY(seconds, try_time([&] { ++img.pixels()[0]; },
                              [&]() -> llava::result<void> {
                                llava::session chat(model);
                                chat.settings.max_new_tokens = 1;
                                chat.settings.ignore_eos = true;
                                LLAVA_TRY(answer, chat.try_generate(prompt, std::span<const llava::image>(&img, 1)));
                                prompt_tokens = answer.prompt_tokens;
                                return {};
                              }));
  write("first_token", fact("tokens", prompt_tokens), seconds);
  return {};
}

/// The tokens of an answer of a session, whose middle is `--depth` tokens deep.
llava::result<void> answer_tokens(const std::shared_ptr<const llava::opened_model>& model) {
  const int tokens = number("--tokens");
  LLAVA_TRY(prompt, try_text(*model, std::max(16, number("--depth") - tokens / 2), false));
  std::vector<double> seconds;
  int prompt_tokens = 0;
  for (int i = 0; i < 2 + std::min(5, number("--runs")); ++i) {
    llava::session chat(model);
    chat.settings.max_new_tokens = tokens + 1;
    chat.settings.ignore_eos = true;
    LLAVA_TRY(answer, chat.try_generate(prompt, {}));
    if (static_cast<int>(answer.tokens.size()) != tokens + 1)
      return llava::fail(llava::errc::mismatch, "the answer has too few tokens");
    prompt_tokens = answer.prompt_tokens;
    if (i >= 2) seconds.push_back(answer.seconds.decode / tokens);
  }
  write("answer", fact("tokens", tokens) + fact("depth", prompt_tokens + tokens / 2), seconds);
  return {};
}

llava::result<void> run() {
  llava::open_options options;
  options.threads = number("--threads");
  options.max_batch_tokens = number("--prompt");
  options.max_sequences = number("--batch");
  // Rounded up to blocks; steps of many sequences and one answer are in the cache at the same time.
  options.kv_tokens = (number("--batch") + 1) * (number("--depth") + number("--tokens") + 64);
  options.prompt_lookup = 0;
  options.prefix_cache = false;
  options.image_cache_bytes = 0;
  {
    const auto start = clock_type::now();
    LLAVA_TRY(model, gpu::try_open(arguments.at("--model"), options));
    write("open", "", {seconds_since(start)});
    const int side = model->shapes().image;
    LLAVA_CHECK(encode(*model, "encode", side, side));
    LLAVA_CHECK(prefill(*model));
    LLAVA_CHECK(first_token(model));
    if (number("--tokens") > 0) {
      LLAVA_CHECK(decode(*model, 1));
      LLAVA_CHECK(answer_tokens(model));
      LLAVA_CHECK(decode(*model, number("--batch")));
    }
  }
  if (arguments.at("--tiles").empty()) return {};
  options.kv_tokens = 4096;
  LLAVA_TRY(model, gpu::try_open(arguments.at("--tiles"), options));
  return encode(*model, "encode_tiles", 2 * model->shapes().image, 2 * model->shapes().image);
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!arguments.contains(argv[i])) return std::fprintf(stderr, "unknown argument %s\n", argv[i]), 2;
    arguments[argv[i]] = argv[i + 1];
  }
  const auto done = run();
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().sentence().c_str());
  return done.error().code() == llava::errc::unsupported ? 77 : 1;
}
