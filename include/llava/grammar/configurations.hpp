// SPDX-License-Identifier: Apache-2.0
/// configurations: the sets of states in which an automaton can be after a text, numbered. An automaton of alternatives
/// is in several states at once, each with its stack of frames that wait for a rule to end. Equal stacks are stored
/// once, and states that meet share one (a graph-structured stack), so that a set has each state once and its size does
/// not grow with the text.
#pragma once
#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include <llava/grammar/automaton.hpp>
#include <llava/grammar/interned.hpp>

LLAVA_BEGIN

namespace detail {

/// A frame: its state, its counter, and the stack below it. In a stack, a frame goes on when the rule above has ended.
struct grammar_frame {
  std::uint32_t state = 0, count = 0;
  std::int32_t stack = 0;
  auto operator<=>(const grammar_frame&) const = default;
};

class configurations {
 public:
  static constexpr std::int32_t dead = -1;

  explicit configurations(const automaton& a) : a_(a) {
    const grammar_frame bottom{no_state, 0, 0};
    stacks_.number_of({&bottom, 1}, 0);
  }

  /// Bounds the work of the next calls, counted in frames. One that needs more returns `dead`, and is_spent() is true.
  void allow(std::uint64_t work) { left_ = work; }
  bool is_spent() const { return left_ == 0; }
  void spend(std::size_t work) { left_ -= (std::min)(left_, std::uint64_t{work}); }

  /// The set before any text.
  std::int32_t start() {
    begin();
    add(a_.start, 0, 0, 0);
    return finish();
  }
  /// The set after one more byte, or `dead`.
  std::int32_t step(std::int32_t from, unsigned char byte) {
    const std::uint64_t key = std::uint64_t{static_cast<std::uint32_t>(from)} << 8 | byte;
    if (const std::int32_t* known = steps_.find(key)) return *known;
    begin();
    const std::size_t count = sets_[from].size();
    for (std::size_t i = 0; i < count; ++i) consume(sets_[from][i], byte);
    const std::int32_t to = finish();
    if (!is_spent()) steps_.set(key, to);
    return to;
  }
  /// The set in which the string of the frame has just been closed.
  std::int32_t after_string(const grammar_frame& f) {
    begin();
    add(a_.strings[a_.states[f.state].string].end, f.count, f.stack, stacks_.tag(f.stack));
    return finish();
  }
  /// The set of these frames alone, which belong to one set.
  std::int32_t of(std::span<const grammar_frame> frames) { return frames.empty() ? dead : sets_.number_of(frames, 0); }

  /// Whether the text may end here.
  bool is_complete(std::int32_t set) const { return sets_.tag(set) != 0; }
  /// The frames that can consume a byte.
  std::span<const grammar_frame> frames(std::int32_t set) const { return sets_[set]; }
  const automaton& states() const { return a_; }
  std::size_t bytes() const { return sets_.bytes() + stacks_.bytes() + steps_.bytes(); }

  /// The number here of a set of `other`, which has the same automaton.
  std::int32_t copy_of(const configurations& other, std::int32_t set) {
    std::vector<grammar_frame> frames(other.frames(set).begin(), other.frames(set).end());
    // Stacks only refer to stacks with smaller numbers.
    std::vector<std::int32_t> needed, numbers;
    for (const grammar_frame& f : frames) needed.push_back(f.stack);
    for (std::size_t i = 0; i < needed.size(); ++i)
      for (const grammar_frame& f : other.stacks_[needed[i]])
        if (f.state != no_state && std::find(needed.begin(), needed.end(), f.stack) == needed.end())
          needed.push_back(f.stack);
    std::sort(needed.begin(), needed.end());
    needed.erase(std::unique(needed.begin(), needed.end()), needed.end());
    const auto here = [&](std::int32_t stack) {
      return numbers[static_cast<std::size_t>(std::lower_bound(needed.begin(), needed.end(), stack) - needed.begin())];
    };
    for (const std::int32_t stack : needed) {
      std::vector<grammar_frame> copied(other.stacks_[stack].begin(), other.stacks_[stack].end());
      for (grammar_frame& f : copied)
        if (f.state != no_state) f.stack = here(f.stack);
      std::sort(copied.begin(), copied.end());
      numbers.push_back(stacks_.number_of(copied, other.stacks_.tag(stack)));
    }
    for (grammar_frame& f : frames) f.stack = here(f.stack);
    std::sort(frames.begin(), frames.end());
    return sets_.number_of(frames, other.sets_.tag(set));
  }

 private:
  /// A frame of the set that is being made. A stack >= 0 has a number; ~c is that of calls_[c].
  struct entry {
    std::uint32_t state = 0, count = 0, depth = 0;
    bool has_called = false;
    std::vector<std::int32_t> stacks;
  };
  /// A rule that was called in the set that is being made; the frames that wait for it.
  struct waiting {
    std::uint32_t state, count;
    std::size_t caller;
  };
  struct call {
    std::uint32_t depth = 0;
    std::vector<waiting> frames;
    std::int32_t number = dead;
  };

  void begin() {
    used_ = calls_used_ = 0;
    complete_ = false;
    at_ = no_entry;
    index_.clear();
    calls_of_.clear();
  }

  void add(std::uint32_t state, std::uint32_t count, std::int32_t stack, std::uint32_t depth) {
    spend(1);
    if (is_spent() || a_.states[state].height + depth > automaton::deepest) return;
    const std::uint64_t key = std::uint64_t{count} << 32 | state;
    const std::int32_t* known = index_.find(key);
    if (!known) {
      if (used_ == entries_.size()) entries_.emplace_back();
      entry& e = entries_[used_];
      e.state = state, e.count = count, e.depth = depth, e.has_called = false;
      e.stacks.assign(1, stack);
      index_.set(key, static_cast<std::int32_t>(used_++));
      return;
    }
    entry& e = entries_[static_cast<std::size_t>(*known)];
    spend(e.stacks.size() / 16);  // a search through numbers is quick
    if (std::find(e.stacks.begin(), e.stacks.end(), stack) != e.stacks.end()) return;
    e.stacks.push_back(stack);
    if (at_ != no_entry && static_cast<std::size_t>(*known) <= at_) again_ = true;
  }

  void consume(grammar_frame f, unsigned char byte) {
    spend(1);
    const grammar_state& s = a_.states[f.state];
    const std::uint32_t depth = stacks_.tag(f.stack);
    bool consumed = false;
    a_.each_arc(f.state, [&](const grammar_arc& a) {
      if (a.kind != grammar_arc::byte || byte < a.low || byte > a.high) return;
      add(a.to, f.count, f.stack, depth);
      consumed = true;
    });
    if (consumed || s.string == no_state) return;
    const string_rule& rule = a_.strings[s.string];
    const string_state next = next_in_string(s.inside, byte);
    if (next == string_refused || (next == after_backslash && !rule.escapes)) return;
    if (next == string_closed) {
      if (s.may_close && f.count >= rule.least) add(rule.end, f.count, f.stack, depth);
      return;
    }
    if (s.inside == in_text) {
      if (rule.most != no_limit && f.count >= rule.most) return;
      if (rule.most != no_limit || f.count < rule.least) ++f.count;
    }
    add(rule.base + static_cast<std::uint32_t>(next), f.count, f.stack, depth);
  }

  /// Follows everything that consumes no byte, until nothing new is found.
  void close() {
    do {
      again_ = false;
      for (at_ = 0; at_ < used_; ++at_) follow(at_);
    } while (again_);
  }
  void follow(std::size_t i) {
    const std::uint32_t state = entries_[i].state, count = entries_[i].count, depth = entries_[i].depth;
    const auto jump = [&](std::uint32_t to, std::uint32_t counted) {
      for (std::size_t s = 0; s < entries_[i].stacks.size(); ++s) add(to, counted, entries_[i].stacks[s], depth);
    };
    a_.each_arc(state, [&](const grammar_arc& a) {
      switch (a.kind) {
        case grammar_arc::byte:
          return;
        case grammar_arc::jump:
          return jump(a.to, count);
        case grammar_arc::add_one:
          return jump(a.to, (std::min)(count + 1, a.other));
        case grammar_arc::at_least:
          return count >= a.other ? jump(a.to, count) : void();
        case grammar_arc::below:
          return count < a.other ? jump(a.to, count) : void();
        case grammar_arc::call:
        case grammar_arc::nested_call:
          return entries_[i].has_called ? void() : enter(a, i, depth + (a.kind == grammar_arc::nested_call));
      }
    });
    entries_[i].has_called = true;
    if (!a_.states[state].is_final) return;
    for (std::size_t s = 0; s < entries_[i].stacks.size(); ++s) leave(entries_[i].stacks[s]);
  }
  void enter(const grammar_arc& a, std::size_t caller, std::uint32_t depth) {
    // The frame must be able to end after the rule, too.
    if (a_.states[a.to].height + entries_[caller].depth > automaton::deepest) return;
    if (a_.states[a.other].height + depth > automaton::deepest) return;
    const std::int32_t* known = calls_of_.find(a.other);
    const std::size_t c = known ? static_cast<std::size_t>(*known) : calls_used_;
    if (!known) {
      if (c == calls_.size()) calls_.emplace_back();
      calls_[c].depth = depth;
      calls_[c].frames.clear();
      calls_[c].number = dead;
      calls_of_.set(a.other, static_cast<std::int32_t>(c));
      ++calls_used_;
    }
    calls_[c].frames.push_back({a.to, entries_[caller].count, caller});
    if (calls_[c].frames.size() > 1) again_ = true;  // the rule may have ended already, if it can be empty
    add(a.other, 0, ~static_cast<std::int32_t>(c), depth);
  }
  void leave(std::int32_t stack) {
    if (stack >= 0) {
      const std::size_t size = stacks_[stack].size();
      for (std::size_t f = 0; f < size; ++f) {
        const grammar_frame frame = stacks_[stack][f];
        if (frame.state == no_state)
          complete_ = true;
        else
          add(frame.state, frame.count, frame.stack, stacks_.tag(frame.stack));
      }
      return;
    }
    const auto c = static_cast<std::size_t>(~stack);
    for (std::size_t f = 0; f < calls_[c].frames.size(); ++f) {
      const waiting w = calls_[c].frames[f];
      const std::uint32_t depth = entries_[w.caller].depth;
      for (std::size_t s = 0; s < entries_[w.caller].stacks.size(); ++s)
        add(w.state, w.count, entries_[w.caller].stacks[s], depth);
    }
  }

  /// The stack of an entry: its only one, or one with the frames of all.
  std::int32_t number_of(const entry& e) {
    if (e.stacks.size() == 1) return number_of(e.stacks[0]);
    std::vector<grammar_frame> all;
    for (const std::int32_t stack : e.stacks) {
      const auto frames = stacks_[number_of(stack)];
      all.insert(all.end(), frames.begin(), frames.end());
    }
    return number_of(all, e.depth);
  }
  /// Calls of one set do not call each other in a circle, because rules consume a byte before they call a rule that is
  /// not white space.
  std::int32_t number_of(std::int32_t stack) {
    if (stack >= 0) return stack;
    const auto c = static_cast<std::size_t>(~stack);
    if (calls_[c].number != dead) return calls_[c].number;
    std::vector<grammar_frame> frames;
    for (const waiting& w : calls_[c].frames) frames.push_back({w.state, w.count, number_of(entries_[w.caller])});
    return calls_[c].number = number_of(frames, calls_[c].depth);
  }
  std::int32_t number_of(std::vector<grammar_frame>& frames, std::uint32_t depth) {
    std::sort(frames.begin(), frames.end());
    frames.erase(std::unique(frames.begin(), frames.end()), frames.end());
    return stacks_.number_of(frames, depth);
  }

  std::int32_t finish() {
    close();
    if (is_spent()) return dead;
    std::vector<grammar_frame> frames;
    for (std::size_t i = 0; i < used_; ++i) {
      bool consumes = a_.states[entries_[i].state].string != no_state;
      a_.each_arc(entries_[i].state, [&](const grammar_arc& a) { consumes = consumes || a.kind == grammar_arc::byte; });
      if (consumes) frames.push_back({entries_[i].state, entries_[i].count, number_of(entries_[i])});
    }
    if (frames.empty() && !complete_) return dead;
    std::sort(frames.begin(), frames.end());
    return sets_.number_of(frames, complete_);
  }

  static constexpr std::size_t no_entry = static_cast<std::size_t>(-1);

  const automaton& a_;
  interned<grammar_frame> stacks_;  // tag: containers around the frame that stands on the stack
  interned<grammar_frame> sets_;    // tag: whether the text may end
  number_map steps_;
  std::vector<entry> entries_;
  std::vector<call> calls_;
  number_map index_, calls_of_;  // entries by counter and state, calls by rule
  std::size_t used_ = 0, calls_used_ = 0, at_ = no_entry;
  bool again_ = false, complete_ = false;
  std::uint64_t left_ = static_cast<std::uint64_t>(-1);  // work that is allowed
};

}  // namespace detail

LLAVA_END
