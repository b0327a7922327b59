// SPDX-License-Identifier: Apache-2.0
/// Plans of images against LLaVA-NeXT's own functions (tests/oracle/next_plans.py): its canvases, merges and pooling.
#include <algorithm>
#include <array>
#include <map>
#include <utility>

#include "plans.hpp"

namespace {

using plans::setting, plans::size_sequence, plans::planned, plans::check_pixels;

/// The settings of next_plans.py, as a folder's reader states them.
setting make(int side, int grid, llava::tile_merge merge, std::vector<llava::canvas_size> canvases) {
  setting s;
  s.rows = grid * grid;
  s.config.resize = s.config.crop = side;
  s.config.tiling.merge = merge;
  for (const llava::canvas_size& canvas : canvases) s.config.tiling.canvases[s.config.tiling.count++] = canvas;
  return s;
}
setting range(int side, int grid, llava::tile_merge merge, int across, int down) {
  std::vector<llava::canvas_size> canvases;
  for (int a = 1; a <= across; ++a)
    for (int b = 1; b <= down; ++b) canvases.push_back({a * side, b * side});
  return make(side, grid, merge, canvases);
}
setting one_canvas(int side, int grid, llava::tile_merge merge, llava::canvas_fit fit, int canvas) {
  setting s = make(side, grid, merge, {{canvas, canvas}});
  s.config.tiling.fit = fit;
  if (fit == llava::canvas_fit::cover) {
    s.config.tiling.whole_image = false;
    s.config.filter = llava::resampling::lanczos;
  }
  return s;
}

std::map<std::string, setting> settings() {
  using enum llava::tile_merge;
  using enum llava::canvas_fit;
  const std::vector<llava::canvas_size> published{{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
  std::map<std::string, setting> all{{"unpad", make(336, 24, unpad, published)},
                                     {"max", range(384, 27, unpad, 3, 4)},
                                     {"pooled", make(336, 24, llava::tile_merge::pool, published)},
                                     {"pooled_odd", range(384, 27, llava::tile_merge::pool, 2, 3)},
                                     {"highres", one_canvas(224, 16, flat, pad, 672)},
                                     {"highres_unpad", one_canvas(336, 24, unpad, pad, 672)},
                                     {"highres_pooled", one_canvas(224, 16, llava::tile_merge::pool, pad, 448)},
                                     {"crop_split", one_canvas(336, 24, flat, cover, 672)},
                                     {"crop_split_odd", one_canvas(21, 3, flat, cover, 63)}};
  all.at("max").config.tiling.shrinks_to = 4;
  all.at("pooled_odd").config.tiling.whole_image = all.at("highres_pooled").config.tiling.whole_image = false;
  return all;
}

/// The number that stands for a row's image token in next_plans.py. `skipped`: rows of a whole image that the plan
/// leaves out; the program computes them.
std::int32_t number_of_row(std::int64_t row, std::int64_t skipped) {
  return static_cast<std::int32_t>((row + skipped) * 40503 % 65521);
}

/// Appends the numbers of squares and tokens, and unless the map is shrunk, each token's number.
void append(std::vector<std::int32_t>& numbers, const setting& s, const llava::image_plan& plan, bool has_rows) {
  const bool leaves_out = !s.config.tiling.whole_image && s.config.tiling.fit != llava::canvas_fit::cover;
  numbers.push_back(plan.squares() + (leaves_out ? 1 : 0));
  numbers.push_back(plan.tokens);
  if (!has_rows) return;
  const std::int64_t skipped = leaves_out ? s.rows : 0;
  if (plan.token_rows.empty())
    for (int i = 0; i < plan.tokens; ++i) numbers.push_back(number_of_row(i, skipped));
  for (std::size_t t = 0; t < plan.token_rows.size(); t += static_cast<std::size_t>(plan.terms)) {
    std::int32_t largest = -1;
    for (std::size_t k = t; k < t + static_cast<std::size_t>(plan.terms); ++k)
      if (plan.token_rows[k] >= 0) largest = std::max(largest, number_of_row(plan.token_rows[k], skipped));
    numbers.push_back(largest);
  }
}

void check_block(const setting& s, size_sequence& sizes, std::istringstream& line) {
  std::size_t first = 0;
  long all_squares = 0, all_tokens = 0, squares = 0, tokens = 0;
  std::string expected;
  REQUIRE(line >> first >> all_squares >> all_tokens >> expected);
  REQUIRE(sizes.number() == first);
  const bool shrinks = s.config.tiling.shrinks_to > 0;
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < 64; ++i) {
    auto [width, height] = sizes.next();
    if (shrinks && std::min(width, height) * 100 < std::max(width, height)) width = height;
    const std::size_t at = numbers.size();
    append(numbers, s, planned(s, width, height), !shrinks);
    squares += numbers[at], tokens += numbers[at + 1];
  }
  CHECK(squares == all_squares);
  CHECK(tokens == all_tokens);
  CHECK(images::crc({reinterpret_cast<const std::uint8_t*>(numbers.data()), 4 * numbers.size()}) == expected);
}

}  // namespace

TEST_CASE("plans of images and the pixels of their squares equal LLaVA-NeXT's") {
  const std::map<std::string, setting> known = settings();
  std::map<std::string, size_sequence> sizes;
  int planned_sizes = 0, cut = 0;
  for (auto& line : images::lines("plans_llava_next.txt")) {
    std::string what, name;
    REQUIRE(line >> what >> name);
    INFO(line.str());
    if (what == "block")
      check_block(known.at(name), sizes[name], line), planned_sizes += 64;
    else
      check_pixels(known.at(name), line), ++cut;
  }
  CHECK(sizes.size() == known.size());
  CHECK(planned_sizes == 9 * 1600);
  CHECK(cut == 15);
}

TEST_CASE("the most squares and tokens bound every image of every canvas") {
  for (const auto& [name, s] : settings()) {
    INFO(name);
    size_sequence sizes;
    const int squares = llava::most_squares(s.config), tokens = llava::most_image_tokens(s.config, s.rows);
    // Also the longest sides of raised limits.
    const std::array<std::pair<int, int>, 4> longest{{{65535, 1}, {1, 65535}, {65535, 16384}, {16384, 65535}}};
    for (std::size_t i = 0; i < 100 + longest.size(); ++i) {
      const std::pair<int, int> size = i < 100 ? sizes.next() : longest[i - 100];
      const auto plan = llava::try_plan_image(s.config, s.rows, size.first, size.second);
      if (!plan) continue;  // shrunk to nothing
      REQUIRE(plan->squares() <= squares);
      REQUIRE(plan->tokens <= tokens);
      REQUIRE(plan->terms <= s.config.tiling.terms());
    }
  }
}

TEST_CASE("R2: canvases that cannot be cut or merged are errors") {
  const auto sentence = [](const setting& s, int width, int height) {
    const auto plan = llava::try_plan_image(s.config, s.rows, width, height);
    return plan ? std::string() : plan.error().sentence();
  };
  // Of odd sides, Python rounds both ends of the middle to even numbers: 20 pixels remain of 21.
  const setting odd = one_canvas(21, 3, llava::tile_merge::flat, llava::canvas_fit::cover, 21);
  CHECK(sentence(odd, 21, 21).empty());
  CHECK(sentence(odd, 24, 21) ==
        "llava: the middle of an image of 24 x 21 pixels is smaller than one tile; crop it to a square");
  const std::string rule = "image.tiling must have one canvas, a square, if its fit is pad or cover";
  for (const auto& s : {one_canvas(21, 3, llava::tile_merge::spatial, llava::canvas_fit::cover, 42),
                        one_canvas(21, 3, llava::tile_merge::unpad, llava::canvas_fit::pad, 63)})
    CHECK(sentence(s, 24, 21).find(rule) != std::string::npos);
  setting two = one_canvas(21, 3, llava::tile_merge::flat, llava::canvas_fit::pad, 42);
  two.config.tiling.canvases[two.config.tiling.count++] = {42, 42};
  CHECK(sentence(two, 24, 21).find(rule) != std::string::npos);
  setting oblong = one_canvas(21, 3, llava::tile_merge::flat, llava::canvas_fit::pad, 42);
  oblong.config.tiling.canvases[0].height = 21;
  CHECK(sentence(oblong, 24, 21).find(rule) != std::string::npos);
}
