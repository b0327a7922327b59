// SPDX-License-Identifier: Apache-2.0
/// mask_cache: the sets of states of a grammar and, for each, the tokens that may follow. A mask is the union over the
/// frames of a set:
///   inside a string   the vocabulary's tokens that stay inside, and of those that close the string the ones whose rest
///                     fits what comes after it
///   elsewhere         a walk over the tokens' trie, which follows only bytes that fit
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <llava/grammar/automaton.hpp>
#include <llava/grammar/configurations.hpp>
#include <llava/grammar/token_vocabulary.hpp>

LLAVA_BEGIN

namespace detail {

class mask_cache {
 public:
  /// When it holds more, it is full and should be replaced by a new one.
  static constexpr std::size_t most_bytes = std::size_t{32} << 20;

  /// `most_work`: for one mask, or the bytes of one token, in frames of configurations.hpp.
  mask_cache(const automaton& a, const token_vocabulary& words, std::span<const std::int32_t> eos,
             std::uint64_t most_work)
      : sets_(a), words_(words), most_work_(most_work), size_(words.size()) {
    for (const std::int32_t id : eos) size_ = (std::max)(size_, static_cast<std::size_t>(id) + 1);
    ends_ = token_set(size_);
    for (const std::int32_t id : eos) ends_.insert(id);
    start_ = sets_.start();
  }

  std::int32_t start() const { return start_; }
  /// The set after some bytes, negative if they do not fit; empty: too much work.
  std::optional<std::int32_t> after(std::int32_t set, std::string_view bytes) {
    sets_.allow(most_work_);
    for (const char b : bytes)
      if (set >= 0) set = sets_.step(set, static_cast<unsigned char>(b));
    return sets_.is_spent() ? std::nullopt : std::optional(set);
  }
  bool is_complete(std::int32_t set) const { return sets_.is_complete(set); }
  std::int32_t copy_of(const mask_cache& other, std::int32_t set) { return sets_.copy_of(other.sets_, set); }
  const token_set& ends() const { return ends_; }
  std::size_t bytes() const { return sets_.bytes() + masks_.size() * (size_ / 8 + 64); }
  bool is_full() const { return bytes() > most_bytes; }

  /// The tokens that may follow, valid until the next call; null: too much work.
  const token_set* mask(std::int32_t set) {
    if (const auto known = masks_.find(set); known != masks_.end()) return &known->second;
    sets_.allow(most_work_);
    token_set allowed(size_);
    std::vector<grammar_frame> elsewhere;
    const std::vector<grammar_frame> frames(sets_.frames(set).begin(), sets_.frames(set).end());
    for (const grammar_frame& f : frames) {
      const grammar_state& s = sets_.states().states[f.state];
      if (s.string == no_state)
        elsewhere.push_back(f);
      else if (sets_.spend(size_ / 256); !sets_.is_spent())
        add_string(f, s, allowed);
    }
    if (!elsewhere.empty()) add_walk(0, sets_.of(elsewhere), allowed);
    if (sets_.is_spent()) return nullptr;
    for (const std::int32_t id : ends_of_vocabulary()) allowed.erase(id);
    if (sets_.is_complete(set)) allowed.insert(ends_);
    return &masks_.emplace(set, std::move(allowed)).first->second;
  }

 private:
  /// The end tokens that are also texts: they are no texts in an answer.
  std::vector<std::int32_t> ends_of_vocabulary() const {
    std::vector<std::int32_t> ids;
    for (std::size_t i = 0; i < ends_.words().size(); ++i)
      for (int b = 0; ends_.words()[i] >> b != 0 && b < 64; ++b)
        if (ends_.words()[i] >> b & 1) ids.push_back(static_cast<std::int32_t>(i * 64) + b);
    return ids;
  }

  void add_walk(std::uint32_t top, std::int32_t from, token_set& allowed) {
    const byte_trie& trie = words_.tokens();
    trie.walk(
        top, from, path_, [&](std::int32_t set, unsigned char byte) { return sets_.step(set, byte); },
        [&](std::uint32_t i, std::int32_t) { insert(trie, i, allowed); });
  }
  static void insert(const byte_trie& trie, std::uint32_t i, token_set& allowed) {
    const byte_trie::node& n = trie.nodes()[i];
    for (std::uint32_t v = n.first; v < n.first + n.count; ++v) allowed.insert(trie.values()[v].token);
  }

  void add_string(const grammar_frame& f, const grammar_state& s, token_set& allowed) {
    const automaton& a = sets_.states();
    const string_rule& rule = a.strings[s.string];
    const string_tokens& tokens = words_.inside(s.inside, rule.escapes);
    if (s.first_arc != no_state || !s.may_close) return add_string_with_names(f, tokens, allowed);
    const std::uint32_t left = rule.most == no_limit ? no_limit : rule.most - f.count;
    tokens.add(allowed, left);
    add_after(tokens, sets_.after_string(f), rule.least - (std::min)(f.count, rule.least), left, nullptr, allowed);
  }

  /// Adds the tokens that close a string after least … most more code points and go on as `from` allows.
  void add_after(const string_tokens& tokens, std::int32_t from, std::uint32_t least, std::uint32_t most,
                 const bool* own_bytes, token_set& allowed) {
    if (from < 0) return;
    const byte_trie& trie = tokens.after;
    const auto add = [&](std::uint32_t i) {
      const byte_trie::node& n = trie.nodes()[i];
      for (std::uint32_t v = n.first; v < n.first + n.count; ++v) {
        const trie_value value = trie.values()[v];
        const bool is_own = own_bytes && own_bytes[static_cast<unsigned char>(words_.bytes(value.token)[0])];
        if (value.characters >= least && value.characters <= most && !is_own) allowed.insert(value.token);
      }
    };
    if (trie.nodes().empty()) return;
    add(0);
    trie.walk(
        0, from, path_, [&](std::int32_t set, unsigned char byte) { return sets_.step(set, byte); },
        [&](std::uint32_t i, std::int32_t) { add(i); });
  }

  /// A string that is none of some names: tokens that begin with a byte of such a name, or with the closing mark where
  /// the name is complete, are walked; the others are as in any string.
  void add_string_with_names(const grammar_frame& f, const string_tokens& tokens, token_set& allowed) {
    const automaton& a = sets_.states();
    bool own[256] = {};
    a.each_arc(f.state, [&](const grammar_arc& arc) { own[arc.low] = true; });
    if (!a.states[f.state].may_close) own[static_cast<unsigned char>('"')] = true;
    token_set others(size_);
    tokens.add(others, no_limit);
    const byte_trie& trie = words_.tokens();
    const std::int32_t here = sets_.of({&f, 1});
    for (std::uint32_t i = 1; i < trie.nodes().size(); i = trie.nodes()[i].end) {
      const unsigned char byte = trie.nodes()[i].byte;
      if (!own[byte]) continue;
      trie.each_value_below(i, [&](const trie_value& v) { others.erase(v.token); });
      const std::int32_t next = sets_.step(here, byte);
      if (next < 0) continue;
      insert(trie, i, allowed);
      add_walk(i, next, allowed);
    }
    allowed.insert(others);
    add_after(tokens, sets_.after_string(f), 0, no_limit, own, allowed);
  }

  configurations sets_;
  token_vocabulary words_;
  std::uint64_t most_work_;
  std::size_t size_;  // of the masks: the vocabulary and the end tokens
  token_set ends_;
  std::unordered_map<std::int32_t, token_set> masks_;
  std::vector<std::int32_t> path_;
  std::int32_t start_ = 0;
};

}  // namespace detail

LLAVA_END
