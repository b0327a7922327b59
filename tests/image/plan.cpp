// SPDX-License-Identifier: Apache-2.0
/// Plans of images against LLaVA's own program and transformers (tests/oracle/image_plans.py).
#include <map>
#include <utility>

#include "plans.hpp"

namespace {

using plans::setting, plans::size_sequence, plans::planned, plans::check_pixels;

/// Canvases are (width, height) in LLaVA's program and (height, width) in transformers.
setting make(std::initializer_list<std::pair<int, int>> canvases, int side, int grid, llava::tile_merge merge,
             bool original) {
  setting s;
  s.rows = grid * grid;
  s.config.resize = s.config.crop = side;
  s.config.pillow = original ? 12 : 13;
  llava::tiling_config& t = s.config.tiling;
  t.merge = merge, t.rounds_to_zero = original;
  for (const auto& [a, b] : canvases)
    t.canvases[t.count++] = original ? llava::canvas_size{a, b} : llava::canvas_size{b, a};
  return s;
}

std::map<std::string, setting> settings(bool original) {
  using enum llava::tile_merge;
  const auto published = {std::pair{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}};
  const auto small = {std::pair{56, 112}, {112, 56}, {112, 112}, {168, 56}, {56, 168}};
  const auto ranges = {std::pair{384, 384}, {384, 768},  {384, 1152},  {768, 384},  {768, 768},  {768, 1152},
                       {1152, 384},         {1152, 768}, {1152, 1152}, {1536, 384}, {1536, 768}, {1536, 1152}};
  return {{"published", make(published, 336, 24, unpad, original)},
          {"spatial", make(published, 336, 24, spatial, original)},
          {"small", make(small, 56, 4, unpad, original)},
          {"ranges", make(ranges, 384, 27, unpad, original)}};
}

/// Canvases of 1 … 6 times 1 … 6 tiles, and a map that is shrunk.
setting shrinking(int side, int grid, int squares) {
  setting s = make({}, side, grid, llava::tile_merge::unpad, false);
  llava::tiling_config& t = s.config.tiling;
  t.shrinks_to = squares;
  for (int down = 1; down <= 6; ++down)
    for (int across = 1; across <= 6; ++across) t.canvases[t.count++] = {across * side, down * side};
  return s;
}

void check_block(const setting& s, size_sequence& sizes, std::istringstream& line) {
  std::size_t first = 0;
  long all_squares = 0, all_tokens = 0, squares = 0, tokens = 0;
  std::string expected;
  REQUIRE(line >> first >> all_squares >> all_tokens >> expected);
  REQUIRE(sizes.number() == first);
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < 64; ++i) {
    const auto [width, height] = sizes.next();
    const llava::image_plan plan = planned(s, width, height);
    REQUIRE(plan.token_rows.size() == static_cast<std::size_t>(plan.tokens));
    squares += plan.squares(), tokens += plan.tokens;
    numbers.push_back(plan.squares()), numbers.push_back(plan.tokens);
    numbers.insert(numbers.end(), plan.token_rows.begin(), plan.token_rows.end());
  }
  CHECK(squares == all_squares);
  CHECK(tokens == all_tokens);
  CHECK(images::crc({reinterpret_cast<const std::uint8_t*>(numbers.data()), 4 * numbers.size()}) == expected);
}

void check_program(const std::string& file, bool original) {
  const std::map<std::string, setting> known = settings(original);
  std::map<std::string, size_sequence> sizes;
  int planned_sizes = 0, tables = 0, cut = 0;
  for (auto& line : images::lines(file)) {
    std::string what, name;
    REQUIRE(line >> what);
    INFO(line.str());
    if (what == "size") {
      int width = 0, height = 0, squares = 0, tokens = 0;
      REQUIRE(line >> width >> height >> squares >> tokens);
      const llava::image_plan plan = planned(known.at("published"), width, height);
      CHECK(plan.squares() == squares);
      CHECK(plan.tokens == tokens);
      ++tables;
      continue;
    }
    REQUIRE(line >> name);
    if (what == "block")
      check_block(known.at(name), sizes[name], line), planned_sizes += 64;
    else
      check_pixels(known.at(name), line), ++cut;
  }
  CHECK(planned_sizes == (original ? 4 : 3) * 1600);
  CHECK(tables == 26);
  CHECK(cut == 14);
}

void check_shrunk_sizes(const setting& s, size_sequence& sizes, std::istringstream& line) {
  std::size_t first = 0;
  long all_squares = 0, all_tokens = 0, squares = 0, tokens = 0;
  std::string expected;
  REQUIRE(line >> first >> all_squares >> all_tokens >> expected);
  REQUIRE(sizes.number() == first);
  std::vector<std::int32_t> numbers;
  for (int i = 0; i < 64; ++i) {
    auto [width, height] = sizes.next();
    if (std::min(width, height) * 100 < std::max(width, height)) width = height;
    const llava::image_plan plan = planned(s, width, height);
    squares += plan.squares(), tokens += plan.tokens;
    numbers.push_back(plan.squares()), numbers.push_back(plan.tokens);
  }
  CHECK(squares == all_squares);
  CHECK(tokens == all_tokens);
  CHECK(images::crc({reinterpret_cast<const std::uint8_t*>(numbers.data()), 4 * numbers.size()}) == expected);
}

/// Compares each token, as the weighted sum of its row numbers.
void check_shrunk_rows(const setting& s, std::istringstream& line) {
  int width = 0, height = 0, squares = 0, tokens = 0;
  REQUIRE(line >> width >> height >> squares >> tokens);
  const llava::image_plan plan = planned(s, width, height);
  CHECK(plan.squares() == squares);
  REQUIRE(plan.tokens == tokens);
  REQUIRE(plan.token_rows.size() == static_cast<std::size_t>(tokens) * (plan.weights.empty() ? 1 : 4));
  for (std::size_t t = 0; t < static_cast<std::size_t>(tokens); ++t) {
    double expected = 0, sum = plan.weights.empty() ? plan.token_rows[t] : 0;
    REQUIRE(line >> expected);
    for (std::size_t k = 4 * t; k < 4 * t + 4 && !plan.weights.empty(); ++k)
      sum += static_cast<double>(plan.weights[k]) * plan.token_rows[k];
    CHECK(std::abs(sum - expected) < 2e-3);
  }
}

}  // namespace

TEST_CASE("plans of images and the pixels of their squares equal those of LLaVA's own program") {
  check_program("plans_original.txt", true);
}

TEST_CASE("plans of images and the pixels of their squares equal transformers'") {
  check_program("plans_transformers.txt", false);
}

TEST_CASE("maps that are shrunk equal those of transformers' LlavaOnevision") {
  const std::map<std::string, setting> known{{"published_max_9", shrinking(384, 27, 9)},
                                             {"small_max_2", shrinking(56, 4, 2)}};
  std::map<std::string, size_sequence> sizes;
  int blocks = 0, compared = 0;
  for (auto& line : images::lines("plans_onevision.txt")) {
    std::string what, name;
    REQUIRE(line >> what >> name);
    INFO(line.str());
    if (what == "block")
      check_shrunk_sizes(known.at(name), sizes[name], line), ++blocks;
    else
      check_shrunk_rows(known.at(name), line), ++compared;
  }
  CHECK(blocks == 14);
  CHECK(compared == 9);
}

TEST_CASE("an image without canvases is one square, and its rows are not reordered") {
  const llava::image_plan plan = *llava::try_plan_image({}, 576, 640, 480);
  CHECK(plan.squares() == 1);
  CHECK(plan.tokens == 576);
  CHECK(plan.token_rows.empty());
  CHECK(llava::most_squares({}) == 1);
  const llava::image img = images::draw("noise", 1, 61, 40);
  const auto squares = llava::try_cut_squares(img, {}, plan);
  REQUIRE((squares && squares->size() == 1));
  CHECK(squares->front() == *llava::try_preprocess(img, {}));
}

TEST_CASE("a flat merge has the squares' rows in order, and the whole image may be left out") {
  setting s = settings(true).at("small");
  CHECK(llava::most_squares(s.config) == 5);
  s.config.tiling.merge = llava::tile_merge::flat;
  llava::image_plan plan = planned(s, 61, 40);
  CHECK(plan.tokens == plan.squares() * 16);
  CHECK(plan.token_rows.empty());

  s.config.tiling.merge = llava::tile_merge::spatial;
  const llava::image_plan with = planned(s, 61, 40);
  s.config.tiling.whole_image = false;
  plan = planned(s, 61, 40);
  CHECK(llava::most_squares(s.config) == 4);
  CHECK(plan.tiles == std::vector(with.tiles.begin() + 1, with.tiles.end()));
  REQUIRE(plan.tokens == with.tokens - 16);
  for (std::size_t i = 0; i < plan.token_rows.size(); ++i) CHECK(plan.token_rows[i] == with.token_rows[i + 16] - 16);
}

TEST_CASE("R2: sizes and configurations that cannot be planned are errors") {
  const setting s = settings(true).at("small");
  const auto sentence = [](const llava::image_config& c, int rows, int width, int height) {
    const auto plan = llava::try_plan_image(c, rows, width, height);
    return plan ? std::string() : plan.error().sentence();
  };
  const auto changed = [&](auto change) {
    llava::image_config c = s.config;
    change(c);
    return sentence(c, 16, 61, 40);
  };
  CHECK(sentence(s.config, 16, 61, 40).empty());
  CHECK(sentence(s.config, 16, 0, 40) == "llava: the image is empty, expected at least one pixel");
  CHECK(sentence(s.config, 16, 65536, 1).find("65536 x 1 pixels, expected at most 65535") != std::string::npos);
  for (const auto& [name, any] : settings(true))  // images of raised limits
    for (const auto& [width, height] : {std::pair{65535, 1}, {1, 65535}, {65535, 16384}, {16384, 65535}}) {
      const std::string error = sentence(any.config, 16, width, height);
      CHECK((error.empty() || error.find("; pad it") != std::string::npos));
    }
  CHECK(sentence(s.config, 0, 61, 40) == "llava: a square has 0 image tokens, expected at least 1");
  CHECK(sentence(s.config, 15, 61, 40).find("are 15, which is no square grid") != std::string::npos);
  CHECK(sentence(s.config, 1 << 24, 61, 40).find("image tokens, expected at most 16777216") != std::string::npos);
  llava::image_config four_tiles = s.config;  // as many tokens as an image may have, and then a newline for each row
  four_tiles.tiling.whole_image = false;
  four_tiles.tiling.canvases[0] = {112, 112}, four_tiles.tiling.count = 1;
  CHECK(sentence(four_tiles, 1 << 22, 112, 112) ==
        "llava: an image of 112 x 112 pixels has 16781312 image tokens, expected at most 16777216");
  llava::image_config tiles_alone = s.config;
  tiles_alone.tiling.whole_image = false;
  CHECK(sentence(tiles_alone, 16, 16384, 1) ==
        "llava: an image of 16384 x 1 pixels is too narrow: it has no image tokens; pad it");
  CHECK(changed([](auto& c) { c.tiling.shrinks_to = 257; }).find("image.tiling.shrinks_to") != std::string::npos);
  CHECK(changed([](auto& c) { c.tiling.count = 65; }).find("image.tiling.count") != std::string::npos);
  CHECK(changed([](auto& c) { c.tiling.count = -1; }).find("image.tiling.count") != std::string::npos);
  CHECK(changed([](auto& c) { c.resize = 60; }).find("image.resize must equal image.crop") != std::string::npos);
  for (const llava::canvas_size& canvas :
       {llava::canvas_size{0, 56}, {56, 57}, {-56, 56}, {56 * 300, 56}, {56 * 17, 56 * 16}})
    CHECK(changed([&](auto& c) { c.tiling.canvases[2] = canvas; }).find("sides of a canvas") != std::string::npos);

  const llava::image img = images::draw("noise", 1, 61, 40);
  CHECK_FALSE(llava::try_cut_squares(llava::image(), s.config, planned(s, 61, 40)));
  const auto other = llava::try_cut_squares(img, s.config, planned(s, 300, 40));
  REQUIRE_FALSE(other);
  CHECK(other.error().sentence() == "llava: the plan is not that of an image of 61 x 40 pixels");
}
