// SPDX-License-Identifier: Apache-2.0
/// The main function of llava_tests. Catch2 3 has one in a library; this file defines it for both versions.
#if __has_include(<catch2/catch_session.hpp>)
#include <catch2/catch_session.hpp>
int main(int argc, char** argv) { return Catch::Session().run(argc, argv); }
#else
#define CATCH_CONFIG_MAIN
#include <catch2/catch.hpp>
#endif
