// SPDX-License-Identifier: Apache-2.0
/// Catch2, version 2 or 3, under the names that both share: TEST_CASE, SECTION, CHECK, REQUIRE, Approx.
///
/// An include guard, because this header is precompiled: when only comments have changed, ccache returns the older
/// precompiled header, and GCC no longer recognises the file for which it saw `#pragma once`.
#ifndef LLAVA_TESTS_LLAVA_CATCH_HPP
#define LLAVA_TESTS_LLAVA_CATCH_HPP
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
#endif
