// SPDX-License-Identifier: Apache-2.0
#include <llava/base/dtype.hpp>
#include <llava/base/error.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("f16, bf16: every value survives the round trip through float", "[base]") {
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const f16 h{static_cast<std::uint16_t>(bits)};
    const bf16 b{static_cast<std::uint16_t>(bits)};
    if (std::isnan(to_float(h)))
      REQUIRE(std::isnan(to_float(from_float<f16>(to_float(h)))));
    else
      REQUIRE(from_float<f16>(to_float(h)) == h);
    if (std::isnan(to_float(b)))
      REQUIRE(std::isnan(to_float(from_float<bf16>(to_float(b)))));
    else
      REQUIRE(from_float<bf16>(to_float(b)) == b);
  }
}

TEST_CASE("f16: rounds to nearest, ties to even, by the definition of the format", "[base]") {
  // Adjacent finite values are one step of their exponent apart: a value between them rounds to the nearer one.
  for (unsigned bits = 0; bits < 0x7bff; ++bits) {
    const f16 low{static_cast<std::uint16_t>(bits)}, high{static_cast<std::uint16_t>(bits + 1)};
    const double a = static_cast<double>(to_float(low)), b = static_cast<double>(to_float(high));
    REQUIRE(from_float<f16>(static_cast<float>(a + (b - a) * 0.25)) == low);
    REQUIRE(from_float<f16>(static_cast<float>(a + (b - a) * 0.75)) == high);
    REQUIRE(from_float<f16>(static_cast<float>((a + b) / 2)) == (bits % 2 == 0 ? low : high));
  }
  CHECK(to_float(from_float<f16>(65519.99f)) == 65504.f);
  CHECK(std::isinf(to_float(from_float<f16>(65520.f))));
  CHECK(to_float(from_float<f16>(-0x1p-24f)) == -0x1p-24f);
  CHECK(from_float<f16>(0x1p-26f) == f16{0});
}

TEST_CASE("bf16: rounds to nearest, ties to even", "[base]") {
  CHECK(from_float<bf16>(std::bit_cast<float>(0x3f808000u)) == bf16{0x3f80});
  CHECK(from_float<bf16>(std::bit_cast<float>(0x3f818000u)) == bf16{0x3f82});
  CHECK(from_float<bf16>(std::bit_cast<float>(0x3f808001u)) == bf16{0x3f81});
  CHECK(std::isinf(to_float(from_float<bf16>(std::bit_cast<float>(0x7f7fffffu)))));
}

TEST_CASE("R2: products and sums of sizes do not wrap around", "[base]") {
  CHECK(checked_mul(3, 4) == std::optional<std::size_t>(12));
  CHECK_FALSE(checked_mul(SIZE_MAX / 2, 3));
  CHECK(checked_mul(SIZE_MAX, 0) == std::optional<std::size_t>(0));
  CHECK_FALSE(checked_add(SIZE_MAX, 1));
}

TEST_CASE("result: holds a value or an error, and LLAVA_TRY passes the error on", "[base]") {
  const auto half = [](int n) -> result<int> {
    if (n % 2) return fail(errc::invalid_argument, text_of("llava: ", n, " is odd"));
    return n / 2;
  };
  const auto quarter = [&](int n) -> result<int> {
    LLAVA_TRY(h, half(n));
    return half(h);
  };
  CHECK(*quarter(8) == 2);
  CHECK(quarter(6).error().sentence() == "llava: 3 is odd");
  CHECK_THROWS_AS(value_or_throw(quarter(6)), llava::error);
}
