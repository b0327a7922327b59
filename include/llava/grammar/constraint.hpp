// SPDX-License-Identifier: Apache-2.0
/// constraint: keeps one answer inside a grammar, token by token. apply() sets the logits of tokens that cannot follow
/// to -infinity; accept() takes the token that was chosen.
///
///   llava::token_masks masks = …;                    // shared by all answers of one grammar and model
///   llava::constraint answer(masks);                 // one for each answer; a copy is a fork
///   answer.apply(logits);                            // before each token is drawn
///   answer.accept(token);                            // after it
///
/// Special tokens are never allowed, except the end tokens exactly where the text is complete. There is always a token
/// that is allowed, because every text that the grammar accepts so far can be completed, and a vocabulary has every
/// byte as a token.
#pragma once
#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/grammar/json_schema.hpp>
#include <llava/grammar/mask_cache.hpp>
#include <llava/grammar/token_vocabulary.hpp>

LLAVA_BEGIN

/// The masks of a grammar over a vocabulary, computed when they are first needed and kept for the next answers. Copies
/// share them. Any thread may use them; one computes at a time.
class token_masks {
 public:
  static constexpr std::uint64_t any_work = static_cast<std::uint64_t>(-1);

  /// `eos`: the ids that end an answer (model_description::eos), at least one. `most_work`: an answer fails if one of
  /// its tokens needs more, counted in visits to states of the grammar, about ten million a second. A schema of
  /// a few hundred kB may need seconds for one token. Errors: no eos, or an id out of range.
  static result<token_masks> try_make(grammar texts, token_vocabulary words, std::span<const std::int32_t> eos,
                                      std::uint64_t most_work = any_work) {
    return guarded([&]() -> result<token_masks> {
      if (eos.empty())
        return fail(errc::invalid_argument,
                    "llava: the model names no end token (eos_token_id), so that an answer of a grammar cannot end");
      for (const std::int32_t id : eos)
        if (id < 0 || static_cast<std::size_t>(id) >= words.size() + 65536)
          return fail(errc::invalid_argument,
                      text_of("llava: the end token ", id, " is out of range, expected 0 to ", words.size() + 65535));
      return token_masks(std::make_shared<shared>(std::move(texts), std::move(words), eos, most_work));
    });
  }
#if LLAVA_EXCEPTIONS
  token_masks(grammar texts, token_vocabulary words, std::span<const std::int32_t> eos)
      : token_masks(value_or_throw(try_make(std::move(texts), std::move(words), eos))) {}
#endif

  /// Memory of the grammar and of the masks that are kept, without the vocabulary.
  std::size_t bytes() const {
    const detail::automaton& a = shared_->texts.states();
    const std::lock_guard lock(shared_->mutex);
    return a.states.size() * sizeof(detail::grammar_state) + a.arcs.size() * sizeof(detail::grammar_arc) +
           a.strings.size() * sizeof(detail::string_rule) + shared_->cache->bytes();
  }

 private:
  friend class constraint;
  struct shared {
    shared(grammar g, token_vocabulary w, std::span<const std::int32_t> ends, std::uint64_t work)
        : texts(std::move(g)),
          words(std::move(w)),
          eos(ends.begin(), ends.end()),
          most_work(work),
          cache(new_cache()) {}
    std::shared_ptr<detail::mask_cache> new_cache() const {
      return std::make_shared<detail::mask_cache>(texts.states(), words, eos, most_work);
    }
    grammar texts;
    token_vocabulary words;
    std::vector<std::int32_t> eos;
    std::uint64_t most_work;
    mutable std::mutex mutex;
    std::shared_ptr<detail::mask_cache> cache;  // replaced when it is full
  };
  explicit token_masks(std::shared_ptr<shared> s) : shared_(std::move(s)) {}
  std::shared_ptr<shared> shared_;
};

/// The state of one answer. Copies are cheap and independent.
class constraint {
 public:
  explicit constraint(token_masks masks) : masks_(std::move(masks.shared_)) {
    const std::lock_guard lock(masks_->mutex);
    cache_ = masks_->cache;
    at_ = cache_->start();
  }

  /// Sets the logits of tokens that cannot follow to -infinity; entries beyond the vocabulary, too. After the end token
  /// only end tokens are left. Errors: the logits are fewer than the tokens that may follow need.
  result<void> try_apply(std::span<float> logits) {
    return guarded([&]() -> result<void> {
      const std::lock_guard lock(masks_->mutex);
      move_to_new_cache();
      const detail::token_set* allowed = ended_ ? &cache_->ends() : cache_->mask(at_);
      if (!allowed) return too_much_work();
      return apply(*allowed, logits);
    });
  }
  /// Takes the token that was chosen. Returns false and changes nothing if it cannot follow.
  result<bool> try_accept(std::int32_t token) {
    return guarded([&]() -> result<bool> {
      const std::lock_guard lock(masks_->mutex);
      move_to_new_cache();
      if (cache_->ends().contains(token)) {
        if (!ended_ && !cache_->is_complete(at_)) return false;
        return ended_ = true;
      }
      const std::string_view bytes = masks_->words.bytes(token);
      if (ended_ || bytes.empty()) return false;
      const std::optional<std::int32_t> to = cache_->after(at_, bytes);
      if (!to) return too_much_work();
      if (*to >= 0) at_ = *to;
      return *to >= 0;
    });
  }
#if LLAVA_EXCEPTIONS
  void apply(std::span<float> logits) { try_apply(logits).value(); }
  bool accept(std::int32_t token) { return try_accept(token).value(); }
#endif

  /// Whether the text so far is an answer of the grammar.
  bool complete() const {
    const std::lock_guard lock(masks_->mutex);
    return ended_ || cache_->is_complete(at_);
  }
  /// Whether an end token was accepted.
  bool ended() const { return ended_; }

 private:
  void move_to_new_cache() {
    if (masks_->cache->is_full()) masks_->cache = masks_->new_cache();
    if (cache_ == masks_->cache) return;
    at_ = masks_->cache->copy_of(*cache_, at_);
    cache_ = masks_->cache;
  }
  error too_much_work() const {
    return fail(errc::invalid_argument, text_of("llava: the next token of the answer's grammar needs more than ",
                                                masks_->most_work, " steps; use fewer alternatives that begin alike"));
  }
  static result<void> apply(const detail::token_set& allowed, std::span<float> logits) {
    constexpr float never = -std::numeric_limits<float>::infinity();
    const std::vector<std::uint64_t>& words = allowed.words();
    std::uint64_t any = 0;
    for (std::size_t at = 0; at < logits.size(); at += 64) {
      const std::size_t count = (std::min)(logits.size() - at, std::size_t{64});
      std::uint64_t bits = at / 64 < words.size() ? words[at / 64] : 0;
      if (count < 64) bits &= (std::uint64_t{1} << count) - 1;
      any |= bits;
      float* const l = logits.data() + at;
      if (bits == 0)
        std::fill(l, l + count, never);
      else
        for (std::uint64_t out = ~bits; out != 0; out &= out - 1)
          if (const auto i = static_cast<std::size_t>(std::countr_zero(out)); i < count) l[i] = never;
    }
    if (any) return {};
    return fail(errc::mismatch,
                text_of("llava: the logits have ", logits.size(),
                        " values, and no token below that can follow; the tokenizer is another model's"));
  }

  std::shared_ptr<token_masks::shared> masks_;
  std::shared_ptr<detail::mask_cache> cache_;
  std::int32_t at_ = 0;
  bool ended_ = false;
};

LLAVA_END
