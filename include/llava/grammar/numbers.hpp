// SPDX-License-Identifier: Apache-2.0
/// The rules of JSON numbers. An integer has at most 18 digits, no fraction, no exponent, and is not -0. Any other
/// number has at most 18 digits in front of its point, 18 behind it, and two in its exponent, so that every number is
/// finite as a 64-bit float.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/grammar/automaton.hpp>

LLAVA_BEGIN

namespace detail {

inline constexpr int most_digits = 18;
inline constexpr std::int64_t largest_integer = 999'999'999'999'999'999;

/// Makes the rule of a number.
inline void number_rule(automaton_builder& a, std::uint32_t start) {
  const auto digits = [&](std::uint32_t from, int most) {  // returns the states after 1 … most digits
    std::vector<std::uint32_t> after;
    for (int i = 0; i < most; ++i) {
      const std::uint32_t next = a.final_state();
      a.range(from, '0', '9', next);
      after.push_back(from = next);
    }
    return after;
  };
  const std::uint32_t whole = a.state(), point = a.state(), e = a.state(), power = a.state();
  a.byte(start, '-', whole);
  a.jump(start, whole);
  const std::uint32_t zero = a.final_state(), first = a.final_state();
  a.byte(whole, '0', zero);
  a.range(whole, '1', '9', first);
  std::vector<std::uint32_t> ends = digits(first, most_digits - 1);
  ends.insert(ends.end(), {zero, first});
  for (const std::uint32_t s : ends) a.byte(s, '.', point);
  for (const std::uint32_t s : digits(point, most_digits)) ends.push_back(s);
  for (const std::uint32_t s : ends) a.byte(s, 'e', e), a.byte(s, 'E', e);
  a.byte(e, '+', power);
  a.byte(e, '-', power);
  a.jump(e, power);
  digits(power, 2);
}

/// The rule of the integers in [low, high]: each number of digits has its own bounds.
class integer_rule {
 public:
  /// −largest_integer <= low <= high <= largest_integer. Makes `start` the rule.
  integer_rule(automaton_builder& a, std::uint32_t start, std::int64_t low, std::int64_t high)
      : integer_rule(a, start, low, high, a.final_state()) {}
  /// The same; the number ends at `end`.
  integer_rule(automaton_builder& a, std::uint32_t start, std::int64_t low, std::int64_t high, std::uint32_t end)
      : a_(a), end_(end) {
    if (high >= 0) magnitudes(start, low > 0 ? low : 0, high);
    if (low < 0) {
      const std::uint32_t minus = a.state();
      a.byte(start, '-', minus);
      magnitudes(minus, high < 0 ? -high : 1, -low);
    }
  }

 private:
  void magnitudes(std::uint32_t from, std::int64_t low, std::int64_t high) {
    const std::string least = text_of(low), largest = text_of(high);
    if (least.size() == largest.size()) return between(from, least, largest);
    between(from, least, std::string(least.size(), '9'));
    between(from, '1' + std::string(largest.size() - 1, '0'), largest);
    // The numbers of digits between: all numbers without a leading zero.
    std::uint32_t at = from;
    for (std::size_t n = 1; n < largest.size(); ++n) {
      const std::uint32_t next = a_.state();
      a_.range(at, n == 1 ? '1' : '0', '9', next);
      if (n > least.size()) a_.jump(next, end_);
      at = next;
    }
  }
  /// The numbers of one length from `low` to `high`.
  void between(std::uint32_t from, std::string_view low, std::string_view high) {
    std::size_t same = 0;
    for (; same < low.size() && low[same] == high[same]; ++same) from = step(from, low[same], low[same]);
    const std::size_t left = low.size() - same;
    if (left == 0) return a_.jump(from, end_);
    if (high[same] - low[same] > 1)
      free(step(from, static_cast<char>(low[same] + 1), static_cast<char>(high[same] - 1)), left - 1);
    std::uint32_t lower = step(from, low[same], low[same]), upper = step(from, high[same], high[same]);
    for (std::size_t i = same + 1; i < low.size(); ++i) {
      const std::size_t after = low.size() - i - 1;
      if (low[i] < '9') free(step(lower, static_cast<char>(low[i] + 1), '9'), after);
      if (high[i] > '0') free(step(upper, '0', static_cast<char>(high[i] - 1)), after);
      lower = step(lower, low[i], low[i]);
      upper = step(upper, high[i], high[i]);
    }
    a_.jump(lower, end_);
    a_.jump(upper, end_);
  }
  std::uint32_t step(std::uint32_t from, char low, char high) {
    const std::uint32_t next = a_.state();
    a_.range(from, low, high, next);
    return next;
  }
  /// Any `count` digits, then the end.
  void free(std::uint32_t from, std::size_t count) {
    while (free_.size() <= count) {
      free_.push_back(a_.state());
      if (free_.size() == 1)
        a_.jump(free_[0], end_);
      else
        a_.range(free_.back(), '0', '9', free_[free_.size() - 2]);
    }
    a_.jump(from, free_[count]);
  }

  automaton_builder& a_;
  std::uint32_t end_;
  std::vector<std::uint32_t> free_;
};

}  // namespace detail

LLAVA_END
