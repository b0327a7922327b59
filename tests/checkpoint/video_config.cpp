// SPDX-License-Identifier: Apache-2.0
/// The keys of video in the two layouts.
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using llava::newline_position, llava::spatial_pool;

/// Describes a golden whose config.json has more keys.
llava::result<llava::model_description> described(const std::string& golden, const std::string& keys,
                                                  std::string_view from = "{", std::string_view to = "{") {
  temporary_folder f("video");
  f.copy(LLAVA_TEST_DATA "/goldens/" + golden);
  std::string text = replaced(f.read("config.json"), from, to);
  REQUIRE_FALSE(text.empty());
  f.write("config.json", "{" + keys + text.substr(1));
  return llava::try_describe_model(f.path.string());
}
llava::result<llava::model_description> llava_hf(const std::string& keys) {
  return described("next", keys, "\"llava_next\"", "\"llava_next_video\"");
}

}  // namespace

TEST_CASE("an original folder takes videos if it states mm_spatial_pool_mode") {
  CHECK_FALSE(described("original_anyres", "")->has_video);
  const auto d = described("original_anyres", R"("mm_resampler_type": "spatial_pool", "mm_spatial_pool_mode": "average",
    "mm_spatial_pool_stride": 4, "mm_spatial_pool_out_channels": 24,)");
  REQUIRE(d);
  CHECK((d->has_video && d->video.pool_mode == spatial_pool::average));
  CHECK(d->video.pool_stride == 2);  // LLaVA-NeXT's program passes no other
  CHECK_FALSE(d->video.pools_features);
  CHECK(d->video.newline == newline_position::one_token);
  CHECK_FALSE((d->video.force_sample || d->video.time_instruction));
  const auto more = described("original_anyres", R"("mm_spatial_pool_mode": "bilinear", "mm_newline_position": "grid",
    "add_time_instruction": true, "force_sample": true,)");
  REQUIRE(more);
  CHECK(more->video.pool_mode == spatial_pool::bilinear);
  CHECK(more->video.newline == newline_position::grid);
  CHECK((more->video.force_sample && more->video.time_instruction));
  CHECK(described("original_anyres", R"("mm_spatial_pool_mode": "max", "mm_newline_position": "frame",)")
            ->video.newline == newline_position::frame);
}

TEST_CASE("a merge without unpad has no newline in videos either") {
  const std::string average = R"("mm_spatial_pool_mode": "average",)";
  CHECK(described("original_folder", average)->video.newline == newline_position::no_token);
  CHECK(described("original_anyres", average, "spatial_unpad", "spatial")->video.newline == newline_position::no_token);
  const auto grid =
      described("original_anyres", average + R"("mm_newline_position": "grid",)", "spatial_unpad", "flat");
  CHECK(grid->video.newline == newline_position::no_token);
}

TEST_CASE("transformers' llava_next_video: absent keys have the defaults of LlavaNextVideoConfig") {
  const auto d = llava_hf("");
  REQUIRE(d);
  CHECK((d->has_video && d->video.pools_features));
  CHECK(d->video.pool_mode == spatial_pool::average);
  CHECK(d->video.pool_stride == 2);
  CHECK(d->video.newline == newline_position::no_token);
  CHECK(d->video_token == 32000);
  CHECK(d->image.tiling.count == 5);
  const auto more = llava_hf(R"("spatial_pool_mode": "max", "spatial_pool_stride": 4, "video_token_index": 7,)");
  REQUIRE(more);
  CHECK(more->video.pool_mode == spatial_pool::max);
  CHECK(more->video.pool_stride == 4);
  CHECK(more->video_token == 7);
  const auto named_otherwise = described("next", R"("spatial_pool_mode": "average",)");  // as some uploads are
  REQUIRE(named_otherwise);
  CHECK((named_otherwise->has_video && named_otherwise->video_token == 32000));
  CHECK_FALSE(described("next", "")->has_video);
}

TEST_CASE("R1: keys of video that cannot be used are errors that name file and key") {
  const auto original = [](const std::string& keys, std::string_view to = "spatial_unpad") {
    const auto d = described("original_anyres", keys, "spatial_unpad", to);
    return d ? "" : d.error().sentence();
  };
  const auto hf = [](const std::string& keys) {
    const auto d = llava_hf(keys);
    return d ? "" : d.error().sentence();
  };
  const std::string average = R"("mm_spatial_pool_mode": "average",)";
  for (const auto& [found, expected] : std::initializer_list<std::pair<std::string, std::string_view>>{
           {original(R"("mm_spatial_pool_mode": "conv",)"),
            "config.json: \"mm_spatial_pool_mode\" is conv, expected one of average, max, bilinear"},
           {original(R"("mm_spatial_pool_mode": 2,)"), "\"mm_spatial_pool_mode\" must be a string"},
           {original(average + R"("mm_newline_position": "row",)"),
            "\"mm_newline_position\" is row, expected one of one_token, grid, frame, no_token"},
           {original(average + R"("mm_newline_position": "grid",)", "spatial"),
            "\"mm_newline_position\" is grid, expected one_token or no_token, because mm_patch_merge_type has no "
            "newline"},
           {original(average + R"("add_faster_video": true,)"), "\"add_faster_video\" is true, expected false"},
           {original(average + R"("force_sample": 1,)"), "\"force_sample\" must be true or false"},
           {hf(R"("spatial_pool_mode": "conv",)"), "\"spatial_pool_mode\" is conv, expected one of average, max"},
           {hf(R"("spatial_pool_stride": 0,)"), "llava: video.pool_stride must be between 1 and 1024 ("},
           {hf(R"("spatial_pool_stride": 5,)"),
            "llava: video.pool_stride is 5, expected at most 4, the patches along a"},
           {hf(R"("video_token_index": 1e9,)"), "\"video_token_index\" must be a 32-bit integer"}}) {
    INFO(expected);
    CHECK(found.find(expected) != std::string::npos);
  }
}
