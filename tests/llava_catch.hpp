// SPDX-License-Identifier: Apache-2.0
/// Catch2, version 2 or 3, under the names that both share: TEST_CASE, SECTION, CHECK, REQUIRE, Approx.
#pragma once
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
using Catch::Approx;
#else
#include <catch2/catch.hpp>
#endif

/// Sanitizers slow tests down ten to fifty times: loops over many settings try only the ends.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool is_sanitized = true;
#else
inline constexpr bool is_sanitized = false;
#endif
