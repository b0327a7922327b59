// SPDX-License-Identifier: Apache-2.0
/// Checks the error bounds that backend/simd/kernels/common.inc states for the functions of activations, over floats of
/// every magnitude.
#include <llava/backend/simd/matmul_inl.hpp>
#include <algorithm>
#include <bit>
#include <limits>

#include "backend/backends.hpp"

using namespace llava;

namespace {

/// Custom activations that apply the functions alone.
struct only_exp {
  static constexpr std::string_view name = "exp";
  template <class V>
  LLAVA_ALWAYS_INLINE static V apply(const V& x) {
    using scalar_math::exp;
    return exp(x);
  }
};
struct only_erf {
  static constexpr std::string_view name = "erf";
  template <class V>
  LLAVA_ALWAYS_INLINE static V apply(const V& x) {
    using scalar_math::erf;
    return erf(x);
  }
};

/// Every `step`-th float from 0 to `last`, with both signs.
std::vector<float> floats_to(float last, std::uint32_t step) {
  std::vector<float> x;
  for (std::uint32_t bits = 0; bits <= std::bit_cast<std::uint32_t>(last); bits += step)
    for (std::uint32_t sign : {0u, 0x80000000u}) x.push_back(std::bit_cast<float>(bits | sign));
  return x;
}

template <class B, class A>
std::vector<float> applied(const std::vector<float>& x) {
  return activated<B, A>(x, std::vector<float>(x.size(), 1.f));
}

}  // namespace

TEST_CASE("exp: within 2 units in the last place between -87 and 88, and finite beyond", "[ops]") {
  std::vector<float> x = floats_to(88.f, 9973);
  x.erase(std::remove_if(x.begin(), x.end(), [](float v) { return v < -87.f; }), x.end());
  for_each_backend([&]<class B>() {
    const auto y = applied<B, only_exp>(x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double expected = std::exp(static_cast<double>(x[i]));
      const auto rounded = static_cast<float>(expected);
      const double unit =
          static_cast<double>(std::nextafter(rounded, std::numeric_limits<float>::infinity()) - rounded);
      worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - expected) / unit);
    }
    CHECK(worst <= 2.0);
  });
  for (float v : applied<simd, only_exp>({-88.f, -1000.f, -std::numeric_limits<float>::infinity()}))
    CHECK((v > 0.f && v < 1.3e-38f));
  for (float v : applied<simd, only_exp>({89.f, 1000.f, std::numeric_limits<float>::infinity()}))
    CHECK((v > 2e38f && v < 3e38f));
}

TEST_CASE("erf: within 2e-7 of double, odd, and ±1 for large arguments", "[ops]") {
  const std::vector<float> x = floats_to(20.f, 9973);
  for_each_backend([&]<class B>() {
    const auto y = applied<B, only_erf>(x);
    double worst = 0;
    for (std::size_t i = 0; i < x.size(); ++i)
      worst = std::max(worst, std::fabs(static_cast<double>(y[i]) - std::erf(static_cast<double>(x[i]))));
    CHECK(worst <= 2e-7);
    for (std::size_t i = 0; i < x.size(); i += 2) REQUIRE(y[i] == -y[i + 1]);
  });
}
