// SPDX-License-Identifier: Apache-2.0
/// Plans of videos and the frames that are sampled, against LLaVA-NeXT's own functions (tests/oracle/video_plans.py).
#include <llava/image/sample_frames.hpp>
#include <llava/image/video.hpp>
#include <llava/image/video_plan.hpp>
#include <llava/image/visual.hpp>

#include <cmath>
#include <map>

#include "images.hpp"

namespace {

using llava::newline_position, llava::spatial_pool;

struct setting {
  llava::video_config config;
  int grid = 0, frames = 0;
};

setting read_setting(std::istringstream& line) {
  static const std::map<std::string, spatial_pool> modes{
      {"average", spatial_pool::average}, {"max", spatial_pool::max}, {"bilinear", spatial_pool::bilinear}};
  static const std::map<std::string, newline_position> newlines{{"grid", newline_position::grid},
                                                                {"frame", newline_position::frame},
                                                                {"one_token", newline_position::one_token},
                                                                {"no_token", newline_position::no_token}};
  setting s;
  std::string mode, newline;
  REQUIRE(line >> mode >> s.config.pool_stride >> s.grid >> s.frames >> newline);
  s.config.pool_mode = modes.at(mode), s.config.newline = newlines.at(newline);
  return s;
}

/// The merged numbers of the script: a hash of each row of all frames, 7 for the newline.
std::vector<double> merged(const setting& s) {
  const int square = s.grid * s.grid;
  const auto plan = llava::try_plan_video(s.config, square, s.frames);
  if (!plan) FAIL(plan.error().what());
  const bool weighted = !plan->frame.weights.empty();
  std::vector<double> values;
  for (std::int64_t frame = 0; frame < s.frames; ++frame)
    for (std::size_t t = 0; t < static_cast<std::size_t>(plan->frame.tokens); ++t) {
      double value = 0;
      for (std::size_t k = 0; k < static_cast<std::size_t>(plan->frame.terms); ++k) {
        const std::size_t at = t * static_cast<std::size_t>(plan->frame.terms) + k;
        const std::int32_t row = plan->frame.token_rows[at];
        if (row < 0) continue;
        REQUIRE(row <= square);
        const double x = row == square ? 7 : static_cast<double>((frame * square + row) * 40503 % 65521);
        value = weighted ? value + static_cast<double>(plan->frame.weights[at]) * x : std::max(value, x);
      }
      values.push_back(value);
    }
  if (plan->ends_in_newline) values.push_back(7);
  CHECK(plan->tokens == static_cast<int>(values.size()));
  return values;
}

std::string with_two_decimals(double v) {
  char text[64];
  std::snprintf(text, sizeof text, "%.2f", v);
  return text;
}

void check_sample(std::istringstream& line) {
  long count = 0;
  double rate = 0;
  int most = 0, uniform = 0;
  std::string seconds, times, own;
  REQUIRE(line >> count >> rate >> most >> uniform >> seconds >> times);
  const auto sample = llava::try_sample_frames(count, rate, most, uniform != 0);
  if (!sample) FAIL(sample.error().what());
  CHECK(with_two_decimals(sample->seconds) == seconds);
  for (const double t : sample->times) own += (own.empty() ? "" : ",") + with_two_decimals(t) + "s";
  CHECK(own == times);
  for (const std::int64_t i : sample->indices) {
    long expected = -1;
    REQUIRE(line >> expected);
    CHECK(i == expected);
  }
  std::string more;
  CHECK_FALSE(line >> more);
}

}  // namespace

TEST_CASE("sampled frames and pooled maps of a video equal LLaVA-NeXT's") {
  int samples = 0, small = 0, large = 0;
  for (auto& line : images::lines("video.txt")) {
    std::string what;
    REQUIRE(line >> what);
    INFO(line.str());
    if (what == "sample") {
      check_sample(line), ++samples;
      continue;
    }
    const setting s = read_setting(line);
    const std::vector<double> values = merged(s);
    std::size_t tokens = 0;
    REQUIRE(line >> tokens);
    REQUIRE(values.size() == tokens);
    double expected = 0;
    if (what == "pooled") {
      for (const double v : values) {
        REQUIRE(line >> expected);
        CHECK(std::abs(v - expected) <= 1e-6 * 65536);
      }
      ++small;
    } else {
      double sum = 0;
      for (std::size_t t = 0; t < tokens; ++t) sum += (1 + static_cast<double>(t % 97)) * values[t];
      REQUIRE(line >> expected);
      CHECK(std::abs(sum - expected) <= 1e-6 * std::abs(expected));
      ++large;
    }
  }
  CHECK(samples == 18);
  CHECK(small == 72);
  CHECK(large == 36);
}

TEST_CASE("frames are sampled at equal distances where a second has less than one frame") {
  const auto sample = llava::try_sample_frames(6, 0.25, 4);
  REQUIRE(sample);
  CHECK(sample->indices == std::vector<std::int64_t>{0, 1, 3, 5});
  CHECK(sample->times == std::vector<double>{0, 4, 12, 20});
  CHECK(llava::try_sample_frames(2, 0.25, 4)->indices == std::vector<std::int64_t>{0, 1});
}

TEST_CASE("R2: numbers of a video that cannot be used are errors") {
  const auto of_sample = [](std::int64_t count, double rate, int most) {
    const auto sample = llava::try_sample_frames(count, rate, most);
    return sample ? std::string() : sample.error().sentence();
  };
  CHECK(of_sample(5, 25, 0) == "llava: 0 frames are asked for, expected 1 to 1024");
  CHECK(of_sample(5, 25, 1025) == "llava: 1025 frames are asked for, expected 1 to 1024");
  CHECK(of_sample(0, 25, 5) == "llava: the video has 0 frames, expected 1 to 100000000");
  CHECK(of_sample(100000001, 25, 5).find("100000001 frames") != std::string::npos);
  for (const double rate : {0.0, -1.0, 1e7, std::nan(""), HUGE_VAL})
    CHECK(of_sample(5, rate, 5).find("frames per second must be a positive number") != std::string::npos);

  const auto of_plan = [](int rows, int frames, auto change) {
    llava::video_config c;
    change(c);
    const auto plan = llava::try_plan_video(c, rows, frames);
    return plan ? std::string() : plan.error().sentence();
  };
  const auto usual = [](llava::video_config&) {};
  CHECK(of_plan(16, 1, usual).empty());
  CHECK(of_plan(16, 0, usual) == "llava: a video has 0 frames, expected 1 to 1024");
  CHECK(of_plan(15, 1, usual) == "llava: a frame has 15 rows, which is no square grid; its map cannot be pooled");
  CHECK(of_plan(-4, 1, usual).find("is no square grid") != std::string::npos);
  CHECK(of_plan(1 << 20, 1024, usual).find("too many image tokens") != std::string::npos);
  CHECK(of_plan(16, 1, [](auto& c) { c.pool_stride = 0; }).find("video.pool_stride") != std::string::npos);
  CHECK(of_plan(16, 1, [](auto& c) { c.pool_stride = 5; }) ==
        "llava: video.pool_stride is 5, but the map of a frame has 4 rows; choose a smaller one");

  const llava::image one(2, 2);
  CHECK_FALSE(llava::video::try_make({}));
  CHECK_FALSE(llava::video::try_make({one, llava::image()}));
  CHECK(llava::video::try_make({one, one}, {0.5}).error().sentence() == "llava: a video of 2 frames has 1 times");
  CHECK(llava::video::try_make(std::vector<llava::image>(1025, one)).error().sentence() ==
        "llava: a video has 1025 frames, expected 1 to 1024");
}

TEST_CASE("a video and an image are values that share their pixels") {
  const llava::image red(2, 2), wide(3, 2);
  const auto two = *llava::video::try_make({red, wide}, {0, 1}, 2), same = *llava::video::try_make({red, wide});
  const auto other = *llava::video::try_make({wide, red});
  CHECK(two == same);
  CHECK_FALSE(two == other);
  const llava::video copy = two;
  CHECK(copy.frames().data() == two.frames().data());
  const llava::visual image(red), frames(two), nothing;
  CHECK_FALSE(image.is_video());
  CHECK(frames.is_video());
  CHECK(image == llava::visual(red));
  CHECK_FALSE(image == llava::visual(wide));
  CHECK_FALSE(image == frames);
  CHECK_FALSE(frames == llava::visual(other));
  CHECK(frames == llava::visual(same));
  CHECK(nothing == llava::visual());
  CHECK_FALSE(nothing == image);
}
