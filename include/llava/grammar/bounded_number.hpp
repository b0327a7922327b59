// SPDX-License-Identifier: Apache-2.0
/// The rule of the numbers between two bounds, which are compared as decimals, digit by digit. Such a number has no
/// exponent and is not -0. It has at most 18 digits in front of its point; behind it, at most as many as keep 15
/// significant digits at the bounds, so that another decimal than an excluded bound is also another 64-bit float.
#pragma once
#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/grammar/automaton.hpp>
#include <llava/grammar/numbers.hpp>

LLAVA_BEGIN

namespace detail {

/// The magnitude of a bound: whole.fraction, the fraction without zeros at its end.
struct decimal_bound {
  std::int64_t whole = 0;
  std::string fraction{};
  bool is_excluded = false;

  /// The magnitude of a number; nothing if it has more than 18 digits on a side.
  static std::optional<decimal_bound> of(double d, bool is_excluded) {
    char text[512];
    const auto end = std::to_chars(text, text + sizeof text, std::abs(d), std::chars_format::fixed).ptr;
    const std::string_view digits(text, static_cast<std::size_t>(end - text));
    const std::size_t point = (std::min)(digits.find('.'), digits.size());
    decimal_bound b;
    b.is_excluded = is_excluded;
    if (point > most_digits || digits.size() - point > most_digits + 1) return std::nullopt;
    std::from_chars(text, text + point, b.whole);
    if (point < digits.size()) b.fraction = digits.substr(point + 1);
    b.fraction.resize(b.fraction.find_last_not_of('0') + 1);
    return b;
  }
  bool is_below(const decimal_bound& other) const {
    return whole < other.whole || (whole == other.whole && fraction < other.fraction);
  }
  bool is_equal(const decimal_bound& other) const { return whole == other.whole && fraction == other.fraction; }
};

class bounded_number_rule {
 public:
  /// Makes `start` the rule of the numbers from `low` to `high`, which may be infinite. Returns false if a bound has
  /// too many digits.
  static bool make(automaton_builder& a, std::uint32_t start, double low, bool low_excluded, double high,
                   bool high_excluded) {
    if (low >= beyond || high <= -beyond) return true;  // no number
    std::optional<decimal_bound> least, most;
    if (low > -beyond && !(least = decimal_bound::of(low, low_excluded))) return false;
    if (high < beyond && !(most = decimal_bound::of(high, high_excluded))) return false;
    const bounded_number_rule rule(a, least, most);
    const std::uint32_t end = a.final_state();
    if (high >= 0) rule.magnitudes(start, low >= 0 ? *least : decimal_bound{}, most, end);
    if (low < 0) {
      const std::uint32_t minus = a.state();
      a.byte(start, '-', minus);
      rule.magnitudes(minus, high < 0 ? *most : decimal_bound{0, {}, true}, least, end);
    }
    return true;
  }

 private:
  static constexpr double beyond = 1e18;  // no number of the rule is so far from 0

  bounded_number_rule(automaton_builder& a, const std::optional<decimal_bound>& one,
                      const std::optional<decimal_bound>& other)
      : a_(a) {
    std::size_t whole = 1, fraction = 1;
    for (const auto* b : {&one, &other})
      if (*b) {
        whole = (std::max)(whole, text_of((*b)->whole).size());
        fraction = (std::max)(fraction, (*b)->fraction.size());
      }
    longest_ = (std::max)(fraction, whole < 15 ? 15 - whole : 1);
  }

  void magnitudes(std::uint32_t from, const decimal_bound& low, const std::optional<decimal_bound>& high,
                  std::uint32_t end) const {
    if (high && (high->is_below(low) || (high->is_equal(low) && (high->is_excluded || low.is_excluded)))) return;
    const std::int64_t last = high ? high->whole : largest_integer;
    const auto whole = [&](std::int64_t first, std::int64_t to, const decimal_bound* above,
                           const decimal_bound* below) {
      if (first > to) return;
      const std::uint32_t point = a_.state();
      integer_rule(a_, from, first, to, point);
      fraction(point, above, below, end);
    };
    if (high && low.whole == last) return whole(last, last, &low, &*high);
    whole(low.whole, low.whole, &low, nullptr);
    whole(low.whole + 1, last - (high ? 1 : 0), nullptr, nullptr);
    if (high) whole(last, last, nullptr, &*high);
  }

  /// From behind the whole part: no fraction, or one that keeps to the bounds. `above` and `below` are the bounds whose
  /// whole part the number has; state (k, l, h) has k digits, all of `above` so far if l, all of `below` if h.
  void fraction(std::uint32_t from, const decimal_bound* above, const decimal_bound* below, std::uint32_t end) const {
    const auto digit = [](const decimal_bound& b, std::size_t k) {
      return k < b.fraction.size() ? b.fraction[k] : '0';
    };
    const auto may_end = [&](std::size_t k, bool l, bool h) {
      const bool is_low = l && k < above->fraction.size(), is_least = l && !is_low && above->is_excluded;
      return !is_low && !is_least && !(h && k >= below->fraction.size() && below->is_excluded);
    };
    if (may_end(0, above, below)) a_.jump(from, end);
    std::vector<std::uint32_t> now(4, no_state), next;
    now[(above ? 1u : 0u) + (below ? 2u : 0u)] = a_.state();
    a_.byte(from, '.', now[(above ? 1u : 0u) + (below ? 2u : 0u)]);
    for (std::size_t k = 0; k < longest_; ++k, now = next) {
      next.assign(4, no_state);
      for (unsigned tight = 0; tight < 4; ++tight) {
        if (now[tight] == no_state) continue;
        const bool l = tight & 1, h = tight & 2;
        for (char d = l ? digit(*above, k) : '0'; d <= (h ? digit(*below, k) : '9'); ++d) {
          const unsigned then = (l && d == digit(*above, k) ? 1u : 0u) + (h && d == digit(*below, k) ? 2u : 0u);
          if (next[then] == no_state) {
            next[then] = a_.state();
            if (may_end(k + 1, then & 1, then & 2)) a_.jump(next[then], end);
          }
          a_.byte(now[tight], d, next[then]);
        }
      }
    }
  }

  automaton_builder& a_;
  std::size_t longest_ = 1;  // digits of a fraction
};

}  // namespace detail

LLAVA_END
