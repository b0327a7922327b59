// SPDX-License-Identifier: Apache-2.0
#include <llava/generate/random.hpp>
#include <llava/generate/stop_text.hpp>
#include <llava_catch.hpp>

#include <vector>

namespace {
/// The text shown if `text` comes in pieces of `size` bytes, and whether a stop text was reached.
std::pair<std::string, bool> shown(std::string_view text, std::size_t size, const std::vector<std::string>& stops) {
  llava::stop_text s(stops);
  std::string out;
  for (std::size_t at = 0; at < text.size() && !s.reached(); at += size) out += s.push(text.substr(at, size));
  out += s.finish();
  return {out, s.reached()};
}
}  // namespace

TEST_CASE("stop_text: shows the text before the first stop, for every split into pieces", "[generate]") {
  const std::vector<std::string> stops{"###", "</s>"};
  for (std::size_t size = 1; size < 12; ++size) {
    CHECK(shown("An answer.###Human: more", size, stops) == std::pair<std::string, bool>("An answer.", true));
    CHECK(shown("a</s>b###", size, stops) == std::pair<std::string, bool>("a", true));
    CHECK(shown("## is not it, </ neither#", size, stops) ==
          std::pair<std::string, bool>("## is not it, </ neither#", false));
    CHECK(shown("", size, stops) == std::pair<std::string, bool>("", false));
  }
}

TEST_CASE("stop_text: no part of a stop text is ever shown", "[generate]") {
  const std::vector<std::string> stops{"STOP"};
  llava::stop_text s(stops);
  CHECK(s.push("go ST") == "go ");
  CHECK(s.push("AY S") == "STAY ");
  CHECK(s.push("TOP now") == "");
  CHECK(s.reached());
}

TEST_CASE("stop_text: without stops all text passes at once", "[generate]") {
  const std::vector<std::string> none;
  llava::stop_text s(none);
  CHECK(s.push("x") == "x");
  CHECK_FALSE(s.reached());
}

TEST_CASE("uniform: a function of seed and position, spread over [0, 1)", "[generate]") {
  static_assert(llava::uniform(1, 2) == llava::uniform(1, 2), "llava: random numbers are reproducible");
  CHECK(llava::uniform(1, 2) != llava::uniform(1, 3));
  CHECK(llava::uniform(1, 2) != llava::uniform(2, 2));
  CHECK(llava::splitmix64(0) == 0xe220a8397b1dcdafu);  // the published first output of seed 0
  double sum = 0;
  int tenths[10] = {};
  for (std::uint64_t i = 0; i < 100000; ++i) {
    const float u = llava::uniform(7, i);
    REQUIRE((u >= 0.f && u < 1.f));
    sum += static_cast<double>(u);
    ++tenths[static_cast<int>(u * 10.f)];
  }
  CHECK(std::abs(sum / 100000 - 0.5) < 0.005);
  for (int n : tenths) CHECK(std::abs(n - 10000) < 500);
}
