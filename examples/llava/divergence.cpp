// SPDX-License-Identifier: Apache-2.0
/// llava eval divergence: compares a model with a reference on a text: Kullback–Leibler divergence of the next token's
/// distribution, the share of equal likeliest tokens, and both perplexities.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>

#include <llava/checkpoint/json.hpp>

#include "command.hpp"
#include "models.hpp"
#include "option_rules.hpp"

namespace {

struct divergence_options {
  model_options model, against;
  std::string text;
  int tokens = 2048;
};

struct sums {
  double divergence = 0, largest = 0, surprise = 0, reference_surprise = 0;
  std::size_t positions = 0, same = 0, follows = 0;
};

/// ln Σ eˡ
double log_total(std::span<const float> logits) {
  const auto most = static_cast<double>(*std::max_element(logits.begin(), logits.end()));
  double total = 0;
  for (const float l : logits) total += std::exp(static_cast<double>(l) - most);
  return most + std::log(total);
}

/// Adds one position of reference p and model q; `next` is the token that follows, or −1.
void add_position(sums& s, std::span<const float> p, std::span<const float> q, std::int32_t next) {
  const double p_total = log_total(p), q_total = log_total(q);
  double divergence = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    const double log_p = static_cast<double>(p[i]) - p_total;
    divergence += std::exp(log_p) * (log_p - (static_cast<double>(q[i]) - q_total));
  }
  ++s.positions;
  s.divergence += divergence;
  s.largest = std::max(s.largest, divergence);
  s.same += std::max_element(p.begin(), p.end()) - p.begin() == std::max_element(q.begin(), q.end()) - q.begin();
  if (next < 0) return;
  ++s.follows;
  s.reference_surprise += p_total - static_cast<double>(p[static_cast<std::size_t>(next)]);
  s.surprise += q_total - static_cast<double>(q[static_cast<std::size_t>(next)]);
}

void measure(const divergence_options& o) {
  const std::string text = value_or_give_up(llava::try_read_text_file(o.text, std::size_t{64} << 20));
  const llava::chat_model reference = value_or_give_up(o.against.try_open()),
                          model = value_or_give_up(o.model.try_open());
  if (reference.vocab() != model.vocab())
    give_up(llava::fail(llava::errc::mismatch, "llava: the two models have vocabularies of different sizes"));
  const auto vocab = static_cast<std::size_t>(model.vocab());
  sums s;
  progress_bar bar;
  // The text is split into pieces at line ends, because the logits of all positions of a piece are in memory.
  constexpr std::size_t piece = 1200;
  for (std::size_t at = 0; at < text.size() && s.positions < static_cast<std::size_t>(o.tokens);) {
    std::size_t end = text.find('\n', std::min(at + piece, text.size()));
    end = std::min(std::min(end, at + 2 * piece), text.size());
    while (end < text.size() && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) ++end;
    const std::string part = text.substr(at, end - at);
    at = std::max(end, at + 1);
    const std::vector<std::int32_t> ids = reference.encode(part, false);
    if (ids.empty()) continue;
    auto one = reference.session(), two = model.session();
    const std::vector<float> p = value_or_give_up(one.try_logits(part, {})),
                             q = value_or_give_up(two.try_logits(part, {}));
    for (std::size_t t = 0; t < ids.size(); ++t)
      add_position(s, std::span<const float>(p).subspan(t * vocab, vocab),
                   std::span<const float>(q).subspan(t * vocab, vocab), t + 1 < ids.size() ? ids[t + 1] : -1);
    bar.show(
        {"comparing", std::min(s.positions, static_cast<std::size_t>(o.tokens)), static_cast<std::size_t>(o.tokens)});
  }
  if (s.positions == 0) give_up(llava::fail(llava::errc::invalid_argument, "llava: " + o.text + " is empty"));
  const double n = static_cast<double>(s.positions), follows = static_cast<double>(std::max<std::size_t>(s.follows, 1));
  std::printf("positions            %zu\n", s.positions);
  std::printf("mean divergence      %.6f nats\n", s.divergence / n);
  std::printf("largest              %.6f nats\n", s.largest);
  std::printf("same likeliest token %.2f %%\n", 100 * static_cast<double>(s.same) / n);
  std::printf("perplexity           %.4f, of the reference %.4f\n", std::exp(s.surprise / follows),
              std::exp(s.reference_surprise / follows));
}

}  // namespace

void add_divergence(CLI::App& eval) {
  CLI::App& command = *eval.add_subcommand(
      "divergence", "Compare a model with --dtype weights to the same model with --against weights, on a text");
  const auto o = std::make_shared<divergence_options>();
  o->model.add_to(command);
  o->against.dtype = "f16";
  command.add_option("--against", o->against.dtype, "Format of the reference's weights")
      ->check(CLI::IsMember(compiled_dtypes()));
  command.add_option("--reference", o->against.path, "Folder of the reference; default: the same folder");
  command.add_option("--text", o->text, "A text file")->required();
  command.add_option("--tokens", o->tokens, "Number of positions to compare")->check(CLI::PositiveNumber);
  command.callback([o] {
    if (o->against.path.empty()) o->against.path = o->model.path;
    o->against.threads = o->model.threads;
    o->against.backend = o->model.backend;
    measure(*o);
  });
}
