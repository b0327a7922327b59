// SPDX-License-Identifier: Apache-2.0
/// beam_search: the search of transformers' generate() with num_beams, and its defaults length_penalty 1 and
/// early_stopping false. Of all continuations of some answers (beams) by one token, the likeliest go on. An answer that
/// ends is kept with the mean of its tokens' log-probabilities as its score. The search is over when there are
/// num_beams of these and the likeliest running answer has a lower mean than each of them.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A beam and a token that may follow.
struct beam_candidate {
  float score = 0.f;     ///< sum of the log-probabilities of all tokens, after penalties
  float logprob = 0.f;   ///< of this token, before penalties
  std::size_t beam = 0;  ///< of beam_search::running()
  std::int32_t token = 0;
};

class beam_search {
 public:
  /// An answer so far.
  struct beam {
    std::vector<std::int32_t> tokens;
    std::vector<float> logprobs;  // of the tokens, before penalties
    float score = 0.f;            // running: the sum of log-probabilities; ended: their mean
    std::size_t parent = 0;       // the running beam before the last step
  };

  /// `most_tokens`: of an answer. `ends`: tokens that end it.
  beam_search(int beams, int most_tokens, std::vector<std::int32_t> ends)
      : beams_(static_cast<std::size_t>(beams)),
        most_tokens_(static_cast<std::size_t>(most_tokens)),
        ends_(std::move(ends)) {}

  /// Number of candidates that matter: so many that num_beams remain if all end tokens are among them.
  std::size_t kept() const { return (std::max)(std::size_t{2}, 1 + ends_.size()) * beams_; }
  /// Falling scores. At first one answer without tokens.
  const std::vector<beam>& running() const { return running_; }
  bool done() const { return done_; }
  /// The best answer that has ended; when done.
  const beam& best() const { return ended_.front(); }

  /// Takes the kept() likeliest continuations of each running beam, at least one.
  void advance(std::vector<beam_candidate> all) {
    const auto first = [](const beam_candidate& a, const beam_candidate& b) {
      return std::tuple(-a.score, a.beam, a.token) < std::tuple(-b.score, b.beam, b.token);
    };
    std::sort(all.begin(), all.end(), first);
    all.resize((std::min)(all.size(), kept()));
    const std::size_t length = running_[0].tokens.size() + 1;
    std::vector<beam> next;
    for (std::size_t i = 0; i < all.size() && next.size() < beams_; ++i) {
      const bool is_end = std::find(ends_.begin(), ends_.end(), all[i].token) != ends_.end();
      if (!is_end && length < most_tokens_)
        next.push_back(continued(all[i]));
      else if (i < beams_)  // the others are there so that enough go on
        keep(continued(all[i]), length);
    }
    running_ = std::move(next);
    done_ = running_.empty() ||
            (ended_.size() == beams_ && running_[0].score / static_cast<float>(length) <= ended_.back().score);
  }

 private:
  beam continued(const beam_candidate& c) const {
    beam b = running_[c.beam];
    b.tokens.push_back(c.token);
    b.logprobs.push_back(c.logprob);
    b.score = c.score;
    b.parent = c.beam;
    return b;
  }
  void keep(beam b, std::size_t length) {
    b.score /= static_cast<float>(length);
    const auto at = std::find_if(ended_.begin(), ended_.end(), [&](const beam& e) { return e.score < b.score; });
    ended_.insert(at, std::move(b));
    if (ended_.size() > beams_) ended_.pop_back();
  }

  std::size_t beams_, most_tokens_;
  std::vector<std::int32_t> ends_;
  std::vector<beam> running_{1}, ended_;  // falling scores
  bool done_ = false;
};

LLAVA_END
