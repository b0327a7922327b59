// SPDX-License-Identifier: Apache-2.0
/// Plans of images: the settings, sizes and pixels of tests/oracle/image_plans.py and next_plans.py.
#pragma once
#include <llava/image/plan.hpp>
#include <llava/image/preprocess.hpp>

#include <utility>

#include "images.hpp"

namespace plans {

struct setting {
  llava::image_config config;
  int rows = 0;  // image tokens of a square
};

/// The sizes of image_plans.py.
class size_sequence {
 public:
  std::pair<int, int> next() {
    static constexpr std::uint32_t limits[][2] = {{64, 64}, {700, 700}, {3000, 3000}, {9000, 64}, {64, 9000}};
    const auto& [across, down] = limits[number_++ % 5];
    const int width = next_below(across), height = next_below(down);
    return {width, height};
  }
  std::size_t number() const { return number_; }

 private:
  int next_below(std::uint32_t limit) {
    state_ = state_ * 1664525u + 1013904223u;
    return static_cast<int>(1 + (state_ >> 8) % limit);
  }
  std::uint32_t state_ = 1;
  std::size_t number_ = 0;
};

inline llava::image_plan planned(const setting& s, int width, int height) {
  auto plan = llava::try_plan_image(s.config, s.rows, width, height);
  if (!plan) FAIL(plan.error().what());
  return *std::move(plan);
}

inline void check_pixels(const setting& s, std::istringstream& line) {
  std::string kind, expected;
  int seed = 0, width = 0, height = 0;
  REQUIRE(line >> kind >> seed >> width >> height);
  const auto squares =
      llava::try_cut_squares(images::draw(kind, seed, width, height), s.config, planned(s, width, height));
  REQUIRE(squares);
  for (const llava::image& square : *squares) {
    REQUIRE(line >> expected);
    CHECK(images::crc(square) == expected);
  }
  CHECK_FALSE(line >> expected);
}

}  // namespace plans
