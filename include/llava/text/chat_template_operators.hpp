// SPDX-License-Identifier: Apache-2.0
/// The binary operators of chat templates, as in Python: comparisons, `in` and integer arithmetic.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <llava/text/chat_template_run.hpp>

LLAVA_BEGIN

namespace detail {

class template_operators {
 public:
  using value = template_value;
  using type = template_type;
  explicit template_operators(template_run& r) : run(r) {}

  bool holds(const value& a, std::string_view sign, const value& b) {
    if (sign == "==") return run.equal(a, b);
    if (sign == "!=") return !run.equal(a, b);
    if (sign == "in") return run.contains(b, a);
    if (sign == "not in") return !run.contains(b, a);
    const int order = run.order(a, b);
    if (sign == "<") return order < 0;
    if (sign == "<=") return order <= 0;
    return sign == ">" ? order > 0 : order >= 0;
  }

  /// Computes + - * // % of integers, and + of strings and lists.
  value calculate(const value& a, std::string_view sign, const value& b) {
    if (sign == "+" && a.is(type::text) && b.is(type::text)) {
      std::string text(a.text);
      run.append(text, b.text);
      return run.text(std::move(text));
    }
    if (sign == "+" && a.is_list() && b.is_list()) {
      std::vector<value> all = a.object->items;
      all.insert(all.end(), b.object->items.begin(), b.object->items.end());
      run.work(all.size() / 8);
      return run.memory.list(std::move(all));
    }
    if (!a.is_number() || !b.is_number() || sign == "/")
      return run.fail("'", sign, "' is not supported between ", a, " and ", b);
    std::int64_t c = 0;
    bool fits = true;
    if (sign == "+") {
      fits = !__builtin_add_overflow(a.number, b.number, &c);
    } else if (sign == "-") {
      fits = !__builtin_sub_overflow(a.number, b.number, &c);
    } else if (sign == "*") {
      fits = !__builtin_mul_overflow(a.number, b.number, &c);
    } else {
      if (b.number == 0) return run.fail("division by zero");
      fits = b.number != -1 || a.number != INT64_MIN;
      const std::int64_t over = fits ? a.number % b.number : 0;  // has the sign of a; in Python that of b
      const bool below = over != 0 && (over < 0) != (b.number < 0);
      if (fits) c = sign == "%" ? (below ? over + b.number : over) : a.number / b.number - (below ? 1 : 0);
    }
    return fits ? template_integer(c) : run.fail("an integer result exceeds 64 bits");
  }

 private:
  template_run& run;
};

}  // namespace detail

LLAVA_END
