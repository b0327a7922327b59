// SPDX-License-Identifier: Apache-2.0
/// One step of the language model over any rows of any sequences: prefill chunks and decode rows alike.
///
///   tokens (T) of text and pictures -> x (T, D) -> decoder -> the rows asked for (R, D) -> logits (R, V) -> what
///   follows
///
/// A row's result does not depend on the other rows of its step (R14), so how a prompt is cut into chunks and who
/// shares a step are free choices.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/ops/rows.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/tensor/buffer.hpp>

LLAVA_BEGIN

/// One position of a prompt: a token of the vocabulary, or a row of a picture's image tokens.
struct prompt_token {
  std::int32_t id = 0;   ///< ≥ 0: token; < 0: picture number −1 − id of the sequence
  std::int32_t row = 0;  ///< row of the picture's image tokens; 0 for text

  static constexpr prompt_token of_image(int image, int row) { return {-1 - image, row}; }
  constexpr bool is_image() const { return id < 0; }
  constexpr int image() const { return -1 - id; }
  friend constexpr bool operator==(const prompt_token&, const prompt_token&) = default;
};

/// What the projector made of one picture, in the backend's memory.
struct image_tokens {
  buffer memory;
  int rows = 0, width = 0;
  matrix_view<const float> view() const {  // (rows, D)
    return {reinterpret_cast<const float*>(memory.data()), dynamic_shape<2>(rows, width)};
  }
};

/// A sequence's part in a step: tokens that follow what its cache holds, and how many of their last rows want logits.
struct step_part {
  kv_sequence* cache = nullptr;
  std::span<const prompt_token> tokens;
  std::span<const std::shared_ptr<const image_tokens>> images;
  int logit_rows = 0;
};

/// The largest step: what the arena is made for.
struct step_limits {
  int tokens = 512;  ///< T
  int sequences = 16;
  int blocks = 256;     ///< of the longest sequence
  int logit_rows = 16;  ///< R
};

/// The numbers of a step in the program's memory, before they are uploaded. Made once for the largest step.
struct step_staging {
  std::vector<std::int32_t> ids, image_rows, positions, sequences, kv_slots, blocks, logit_rows;

  explicit step_staging(const step_limits& m) {
    for (auto* v : {&ids, &image_rows, &positions, &sequences, &kv_slots})
      v->reserve(static_cast<std::size_t>(m.tokens));
    blocks.reserve(static_cast<std::size_t>(m.sequences) * static_cast<std::size_t>(m.blocks));
    logit_rows.reserve(static_cast<std::size_t>(m.logit_rows));
  }

  /// Zeros of the largest step's size: for planning.
  void fill_largest(const step_limits& m) {
    for (auto* v : {&ids, &image_rows, &positions, &sequences, &kv_slots})
      v->assign(static_cast<std::size_t>(m.tokens), 0);
    blocks.assign(static_cast<std::size_t>(m.sequences) * static_cast<std::size_t>(m.blocks), 0);
    logit_rows.assign(static_cast<std::size_t>(m.logit_rows), 0);
  }

  /// Lays the parts out one after another; the caches have room already. Returns the blocks of the longest.
  int fill(std::span<const step_part> parts) {
    for (auto* v : {&ids, &positions, &sequences, &kv_slots, &blocks, &logit_rows}) v->clear();
    std::size_t longest = 1;
    for (const auto& p : parts) longest = (std::max)(longest, p.cache->blocks().size());
    for (std::size_t s = 0; s < parts.size(); ++s) {
      const auto& p = parts[s];
      for (std::size_t i = 0; i < p.tokens.size(); ++i) {
        const int position = p.cache->tokens() + static_cast<int>(i);
        ids.push_back(p.tokens[i].is_image() ? -1 : p.tokens[i].id);
        positions.push_back(position);
        sequences.push_back(static_cast<std::int32_t>(s));
        kv_slots.push_back(p.cache->slot(position));
        if (i + static_cast<std::size_t>(p.logit_rows) >= p.tokens.size())
          logit_rows.push_back(static_cast<std::int32_t>(ids.size() - 1));
      }
      blocks.insert(blocks.end(), p.cache->blocks().begin(), p.cache->blocks().end());
      blocks.resize((s + 1) * longest, 0);
    }
    return static_cast<int>(longest);
  }

  /// image_rows[t] = the row of picture `image` of part `s` that token t is, or −1. False when there is none.
  bool fill_image(std::span<const step_part> parts, std::size_t s, int image) {
    image_rows.clear();
    bool any = false;
    for (std::size_t i = 0; i < parts.size(); ++i)
      for (const prompt_token& t : parts[i].tokens) {
        const bool here = i == s && t.is_image() && t.image() == image;
        image_rows.push_back(here ? t.row : -1);
        any = any || here;
      }
    return any;
  }
};

namespace detail {
/// The numbers of `host` in the arena.
template <class Q>
vector_view<const std::int32_t> uploaded(Q& q, const std::vector<std::int32_t>& host) {
  const auto n = static_cast<std::ptrdiff_t>(host.size());
  const vector_view<std::int32_t> v(q.workspace().template take<std::int32_t>(n), dynamic_shape<1>(n));  // (n)
  upload(q, v, std::span<const std::int32_t>(host));
  return v;
}
}  // namespace detail

namespace detail {
/// What a step does with what `staging` holds; on a planning queue, what it takes. The caller finishes the queue.
template <class Q, class Decoder, class Cache, class GoOn, class Finish>
result<void> compute_step(Q& q, const Decoder& decoder, const Cache& cache, step_staging& staging, int sequences,
                          int longest, std::span<const step_part> parts, GoOn&& go_on, Finish&& finish) {
  arena_scope scope(q.workspace());
  const auto tokens = static_cast<std::ptrdiff_t>(staging.ids.size());
  const auto wanted = static_cast<std::ptrdiff_t>(staging.logit_rows.size());
  const vector_view<const std::int32_t> blocks = uploaded(q, staging.blocks);
  const step_rows rows{uploaded(q, staging.positions),
                       uploaded(q, staging.sequences),
                       uploaded(q, staging.kv_slots),
                       {blocks.data(), dynamic_shape<2>(sequences, longest)}};   // (sequences, longest)
  const matrix_view<float> x = take_matrix(q, tokens, decoder.config().hidden);  // (T, D)
  decoder.embed_tokens(q, x, uploaded(q, staging.ids));
  for (std::size_t s = 0; s < parts.size(); ++s)
    for (std::size_t i = 0; i < parts[s].images.size(); ++i) {
      if (!staging.fill_image(parts, s, static_cast<int>(i))) continue;
      arena_scope image_scope(q.workspace());
      take_rows(q, x, parts[s].images[i]->view(), uploaded(q, staging.image_rows));
    }

  if (!decoder.forward(q, x, rows, cache, go_on)) return fail(errc::cancelled, "llava: the question was cancelled");
  if (wanted == 0) return {};
  const matrix_view<float> last = take_matrix(q, wanted, x.extent(1));         // (R, D)
  const matrix_view<float> all = take_matrix(q, wanted, decoder.head_rows());  // (R, head_rows())
  const matrix_view<float> logits(all.data(), dynamic_shape<2>(wanted, decoder.vocab()), all.pitch());  // (R, V)
  take_rows(q, last, x, uploaded(q, staging.logit_rows));
  decoder.head(q, all, last);
  return finish(q, logits);
}
}  // namespace detail

/// Runs a step. `finish(queue, logits)` is called with logits (R, V) while they exist, unless R is 0, and returns
/// result<void>. After an error of it or of an op, or when `go_on` said so (errc::cancelled), the caches hold what they
/// held. The caller has reserved room in the caches and keeps within the limits.
template <class Q, class Decoder, class Cache, class GoOn, class Finish>
result<void> run_step(Q& q, const Decoder& decoder, const Cache& cache, step_staging& staging,
                      std::span<const step_part> parts, GoOn&& go_on, Finish&& finish) {
  const int longest = staging.fill(parts);
  LLAVA_CHECK(
      detail::compute_step(q, decoder, cache, staging, static_cast<int>(parts.size()), longest, parts, go_on, finish));
  LLAVA_CHECK(q.finish());
  for (const auto& p : parts) p.cache->set_tokens(p.cache->tokens() + static_cast<int>(p.tokens.size()));
  return {};
}

/// The largest step on a planning queue: afterwards the arena's peak is what a workspace needs. The error of an op
/// whose operands do not fit.
template <class Q, class Decoder, class Cache, class Finish>
result<void> plan_step(Q& q, const Decoder& decoder, const Cache& cache, const step_limits& m, Finish&& finish) {
  step_staging largest(m);
  largest.fill_largest(m);
  LLAVA_CHECK(detail::compute_step(
      q, decoder, cache, largest, m.sequences, m.blocks, std::span<const step_part>{}, [] { return true; }, finish));
  return q.finish();
}

LLAVA_END
