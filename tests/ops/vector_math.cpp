// SPDX-License-Identifier: Apache-2.0
/// Checks what ops/activation.hpp states of the functions of activations, on every backend: bounds against the standard
/// library in long double, over floats of every magnitude, and the values of NaN, infinities and zeros.
#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>

#include "backend/backends.hpp"
#if !LLAVA_TEST_ON_CUDA
#include <llava/backend/simd/matmul_inl.hpp>
#endif

using namespace llava;

namespace {

// [own_activation]
struct leaky_relu {
  static constexpr std::string_view name = "leaky_relu";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using llava::scalar_math::select;
    return select(x > V(0.f), x, V(0.01f) * x);
  }
};
struct mish {
  static constexpr std::string_view name = "mish";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using llava::scalar_math::exp, llava::scalar_math::log, llava::scalar_math::tanh;
    return x * tanh(log(V(1.f) + exp(x)));
  }
};
// [own_activation]

struct relu {
  static constexpr std::string_view name = "relu";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::max;
    return max(V(0.f), x);
  }
};
struct hard_swish {
  static constexpr std::string_view name = "hard_swish";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::max, scalar_math::min;
    return x * min(max(x + V(3.f), V(0.f)), V(6.f)) / V(6.f);
  }
};
struct gelu_by_tanh {
  static constexpr std::string_view name = "gelu_by_tanh";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::tanh;
    return V(0.5f) * x * (V(1.f) + tanh(V(0.79788456080286536f) * (x + V(0.044715f) * x * x * x)));
  }
};

/// Activations that apply the functions alone.
#define LLAVA_TEST_ONLY(function)                       \
  struct only_##function {                              \
    static constexpr std::string_view name = #function; \
    template <class V>                                  \
    LLAVA_HOST_DEVICE static V apply(const V& x) {      \
      using scalar_math::function;                      \
      return function(x);                               \
    }                                                   \
  }
LLAVA_TEST_ONLY(exp);
LLAVA_TEST_ONLY(erf);
LLAVA_TEST_ONLY(tanh);
LLAVA_TEST_ONLY(log);
LLAVA_TEST_ONLY(abs);
struct only_minus {
  static constexpr std::string_view name = "minus";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    return -x;
  }
};

constexpr float infinity = std::numeric_limits<float>::infinity(), no_number = std::numeric_limits<float>::quiet_NaN();
constexpr float smallest = std::numeric_limits<float>::denorm_min(), largest = std::numeric_limits<float>::max();
constexpr float specials[] = {-infinity, -1.f, -0.f, 0.f, 1.f, infinity, no_number};
constexpr int special_count = 7;

/// Op of two of the specials: x numbers the pairs.
template <class Op>
struct of_pair {
  static constexpr std::string_view name = "of_pair";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::select;
    constexpr float values[] = {-infinity, -1.f, -0.f, 0.f, 1.f, infinity, no_number};
    V a(0.f), b(0.f);
    for (int i = 0; i < special_count * special_count; ++i) {
      const auto is = x == V(static_cast<float>(i));
      a = select(is, V(values[i / special_count]), a);
      b = select(is, V(values[i % special_count]), b);
    }
    return Op::of(a, b);
  }
};
struct larger {
  template <class V>
  LLAVA_HOST_DEVICE static V of(const V& a, const V& b) {
    using scalar_math::max;
    return max(a, b);
  }
};
struct smaller {
  template <class V>
  LLAVA_HOST_DEVICE static V of(const V& a, const V& b) {
    using scalar_math::min;
    return min(a, b);
  }
};
/// The comparisons that hold, as bits of an integer.
struct compared {
  template <class V>
  LLAVA_HOST_DEVICE static V of(const V& a, const V& b) {
    using scalar_math::select;
    const V none(0.f);
    return select(a < b, V(1.f), none) + select(a <= b, V(2.f), none) + select(a > b, V(4.f), none) +
           select(a >= b, V(8.f), none) + select(a == b, V(16.f), none) + select(a != b, V(32.f), none) +
           select(!(a < b), V(64.f), none) + select(a < b || a == b, V(128.f), none) +
           select(a <= b && a >= b, V(256.f), none);
  }
};

#if LLAVA_TEST_ON_CUDA
constexpr std::uint32_t step = 999983;  // the emulator takes longer
constexpr bool zero_loses_sign = true;
template <class B>
constexpr bool is_of_simd = false;
#else
constexpr std::uint32_t step = 39989;
constexpr bool zero_loses_sign = false;
template <class B>
constexpr bool is_of_simd = std::is_base_of_v<simd, B>;
#endif

/// Every `every`-th float from `first` to `last`, which are positive or 0.
std::vector<float> floats_between(float first, float last, std::uint32_t every = step) {
  std::vector<float> x;
  for (std::uint32_t bits = std::bit_cast<std::uint32_t>(first); bits <= std::bit_cast<std::uint32_t>(last);
       bits += every)
    x.push_back(std::bit_cast<float>(bits));
  return x;
}
/// Those, and the same with the other sign, in turn.
std::vector<float> with_signs(const std::vector<float>& x) {
  std::vector<float> both;
  for (const float v : x) both.push_back(v), both.push_back(-v);
  return both;
}
std::vector<long double> in_long_double(const std::vector<float>& x, long double (*f)(long double)) {
  std::vector<long double> y;
  for (const float v : x) y.push_back(f(v));
  return y;
}

/// A of each x.
template <class B, class A>
std::vector<float> applied(const std::vector<float>& x) {
  device<B> d;
  const auto z = d.put(x, 1), y = d.put(std::vector<float>(x.size()), 1);
  activate(d.queue, y.matrix(), matrix_view<const float>(z.matrix()), A{}, update::assign);
  return d.get(y);
}

/// The largest error, in units in the last place of the expected values.
long double worst_units(const std::vector<float>& found, const std::vector<long double>& expected) {
  long double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const int exponent = expected[i] == 0 ? -126 : std::max(std::ilogb(expected[i]), -126);
    const long double error = std::fabs(static_cast<long double>(found[i]) - expected[i]);
    worst = std::isnan(found[i]) ? HUGE_VALL : std::max(worst, std::ldexp(error, 23 - exponent));
  }
  return worst;
}
/// Equal, with the same sign of a zero; or both NaN.
bool same(float a, float b) {
  return std::isnan(a) ? std::isnan(b) : std::bit_cast<std::uint32_t>(a) == std::bit_cast<std::uint32_t>(b);
}
/// Checks that the function A has these values.
template <class B, class A>
void check_values(const std::vector<std::pair<float, float>>& pairs) {
  std::vector<float> x;
  for (const auto& [from, to] : pairs) x.push_back(from);
  const auto y = applied<B, A>(x);
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (zero_loses_sign && same(x[i], -0.f)) continue;
    INFO(A::name << " of " << x[i] << " is " << y[i] << ", expected " << pairs[i].second);
    CHECK(same(y[i], pairs[i].second));
  }
}

}  // namespace

TEST_CASE("exp: within 2 units in the last place between -87 and 88, and finite beyond", "[ops]") {
  std::vector<float> x = with_signs(floats_between(0.f, 88.f));
  x.erase(std::remove_if(x.begin(), x.end(), [](float v) { return v < -87.f; }), x.end());
  const auto expected = in_long_double(x, [](long double v) { return std::exp(v); });
  for_each_backend([&]<class B>() {
    CHECK(worst_units(applied<B, only_exp>(x), expected) <= 2);
    check_values<B, only_exp>({{0.f, 1.f}, {-0.f, 1.f}, {no_number, no_number}});
  });
#if !LLAVA_TEST_ON_CUDA
  for (float v : applied<simd, only_exp>({-88.f, -1000.f, -infinity})) CHECK((v > 0.f && v < 1.3e-38f));
  for (float v : applied<simd, only_exp>({89.f, 1000.f, infinity})) CHECK((v > 2e38f && v < 3e38f));
#endif
}

TEST_CASE("erf: within 2e-7, odd, and ±1 for large arguments", "[ops]") {
  const std::vector<float> x = with_signs(floats_between(smallest, 20.f));
  const auto expected = in_long_double(x, [](long double v) { return std::erf(v); });
  for_each_backend([&]<class B>() {
    const auto y = applied<B, only_erf>(x);
    long double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, std::fabs(static_cast<long double>(y[i]) - expected[i]));
    CHECK(worst <= 2e-7L);
    for (std::size_t i = 0; i < x.size(); i += 2) REQUIRE(same(y[i], -y[i + 1]));
    check_values<B, only_erf>({{0.f, 0.f}, {-0.f, -0.f}, {infinity, 1.f}, {-infinity, -1.f}, {no_number, no_number}});
  });
}

TEST_CASE("tanh: within 3 units in the last place (on simd 2), odd, and ±1 for large arguments", "[ops]") {
  std::vector<float> x = floats_between(smallest, largest);
  for (const float v : floats_between(0.1f, 10.f, step / 8)) x.push_back(v);
  x = with_signs(x);
  const auto expected = in_long_double(x, [](long double v) { return std::tanh(v); });
  for_each_backend([&]<class B>() {
    const auto y = applied<B, only_tanh>(x);
    CHECK(worst_units(y, expected) <= (is_of_simd<B> ? 2 : 3));
    for (std::size_t i = 0; i < x.size(); i += 2) REQUIRE(same(y[i], -y[i + 1]));
    check_values<B, only_tanh>({{0.f, 0.f}, {-0.f, -0.f}, {infinity, 1.f}, {-infinity, -1.f}, {no_number, no_number}});
  });
}

TEST_CASE("log: within 1 unit in the last place, of subnormal numbers too", "[ops]") {
  std::vector<float> x = floats_between(smallest, largest);
  for (const float v : floats_between(0.3f, 3.f, step / 8)) x.push_back(v);
  for (const float v : floats_between(0.9999f, 1.0001f, 7)) x.push_back(v);
  const auto expected = in_long_double(x, [](long double v) { return std::log(v); });
  for_each_backend([&]<class B>() {
    CHECK(worst_units(applied<B, only_log>(x), expected) <= 1);
    check_values<B, only_log>(
        {{1.f, 0.f}, {0.f, -infinity}, {-0.f, -infinity}, {infinity, infinity}, {no_number, no_number}});
    check_values<B, only_log>({{-1.f, no_number}, {-1e-40f, no_number}, {-3e38f, no_number}, {-infinity, no_number}});
  });
}

TEST_CASE("abs, minus, max, min, comparisons and select: of numbers, infinities, zeros and NaN", "[ops]") {
  std::vector<float> numbers;
  for (int i = 0; i < special_count * special_count; ++i) numbers.push_back(static_cast<float>(i));
  for_each_backend([&]<class B>() {
    check_values<B, only_abs>({{-2.f, 2.f}, {3.f, 3.f}, {-0.f, 0.f}, {-infinity, infinity}, {-1e-45f, 1e-45f}});
    check_values<B, only_abs>({{no_number, no_number}, {-no_number, no_number}});
    check_values<B, only_minus>({{2.f, -2.f}, {0.f, -0.f}, {-0.f, 0.f}, {-infinity, infinity}, {no_number, no_number}});
    const auto most = applied<B, of_pair<larger>>(numbers), least = applied<B, of_pair<smaller>>(numbers),
               bits = applied<B, of_pair<compared>>(numbers);
    for (int i = 0; i < special_count * special_count; ++i) {
      const float a = specials[i / special_count], b = specials[i % special_count];
      const bool is_nan = std::isnan(a) || std::isnan(b);
      const auto at = static_cast<std::size_t>(i);
      INFO(a << " and " << b);
      CHECK(same(most[at], is_nan ? no_number : a < b ? b : a));
      CHECK(same(least[at], is_nan ? no_number : b < a ? b : a));
      const int expected = (a < b) + 2 * (a <= b) + 4 * (a > b) + 8 * (a >= b) + 16 * (a == b) + 32 * (a != b) +
                           64 * !(a < b) + 128 * (a <= b) + 256 * (a == b);
      CHECK(static_cast<int>(bits[at]) == expected);
    }
  });
}

TEMPLATE_TEST_CASE("R15: activations of a program match double, and NaN stays NaN", "[ops]", relu, leaky_relu,
                   hard_swish, mish, gelu_by_tanh) {
  constexpr std::size_t n = 1003;
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = (static_cast<float>(i) - 501.f) / 25.f;  // −20 … 20
  std::vector<double> expected;
  for (const float f : x) {
    const double v = static_cast<double>(f);
    double y = v > 0 ? v : 0;
    if (std::is_same_v<TestType, leaky_relu>) y = v > 0 ? v : 0.01 * v;
    if (std::is_same_v<TestType, hard_swish>) y = v <= -3 ? 0 : v >= 3 ? v : v * (v + 3) / 6;
    if (std::is_same_v<TestType, mish>) y = v * std::tanh(std::log1p(std::exp(v)));
    if (std::is_same_v<TestType, gelu_by_tanh>)
      y = 0.5 * v * (1 + std::tanh(std::sqrt(2 / 3.14159265358979323846) * (v + 0.044715 * v * v * v)));
    expected.push_back(y);
  }
  for_each_backend([&]<class B>() {
    CHECK(nmse(applied<B, TestType>(x), expected) < 1e-12);
    check_values<B, TestType>({{no_number, no_number}});
  });
}

TEST_CASE("an activation of a program ends a product", "[ops]") {
  const auto x = random_values(100, 1, 3.f);
  for_each_backend([&]<class B>() {
    const auto after = applied<B, hard_swish>(x), inside = activated<B, hard_swish>(x, std::vector<float>(100, 1.f));
    CHECK(nmse(inside, {after.begin(), after.end()}) < 1e-12);
  });
}
