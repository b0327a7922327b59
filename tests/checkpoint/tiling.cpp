// SPDX-License-Identifier: Apache-2.0
/// The keys of any resolution in the two layouts.
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

using llava::canvas_size, llava::tile_merge;

const std::string goldens = LLAVA_TEST_DATA "/goldens/";

/// A golden with changes to one of its files.
class changed {
 public:
  changed(const std::string& golden, std::string file) : folder_("tiling"), file_(std::move(file)) {
    folder_.copy(goldens + golden);
    usual_ = folder_.read(file_);
  }
  llava::result<llava::model_description> with(std::string_view from, std::string_view to) {
    const std::string text = replaced(usual_, from, to);
    REQUIRE_FALSE(text.empty());
    folder_.write(file_, text);
    return llava::try_describe_model(folder_.path.string());
  }
  std::string error_with(std::string_view from, std::string_view to) {
    const auto d = with(from, to);
    return d ? "" : d.error().sentence();
  }

 private:
  temporary_folder folder_;
  std::string file_, usual_;
};

std::vector<canvas_size> canvases(const llava::tiling_config& t) { return {t.canvases, t.canvases + t.count}; }

const std::string_view list = "\"[(28, 56), (56, 28), (56, 56), (84, 28), (28, 84)]\"";

}  // namespace

TEST_CASE("an original folder: canvases are width and height, as a list, a text of Python or a range") {
  changed folder("original_anyres", "config.json");
  const std::vector<canvas_size> usual{{28, 56}, {56, 28}, {56, 56}, {84, 28}, {28, 84}};
  for (const std::string_view same : {list, std::string_view("[[28, 56], [56, 28], [56, 56], [84, 28], [28, 84]]"),
                                      std::string_view("\"[[28,56],(56,28), (56, 56), (84, 28),[28,84] ]\"")}) {
    const auto d = folder.with(list, same);
    REQUIRE(d);
    CHECK(canvases(d->image.tiling) == usual);
    CHECK(d->image.tiling.merge == tile_merge::unpad);
    CHECK(d->image.tiling.rounds_to_zero);
    CHECK(d->image.tiling.whole_image);
    CHECK(d->image.filter == llava::resampling::bicubic);
    CHECK(d->image.pillow == 12);
  }
  const auto range = folder.with(list, "\"(1x1),...,(3x2)\"");
  REQUIRE(range);
  CHECK(canvases(range->image.tiling) ==
        std::vector<canvas_size>{{28, 28}, {28, 56}, {56, 28}, {56, 56}, {84, 28}, {84, 56}});
}

TEST_CASE("an original folder: mm_patch_merge_type") {
  changed folder("original_anyres", "config.json");
  const auto merge = [&](std::string_view type) {
    const auto d = folder.with("\"mm_patch_merge_type\": \"spatial_unpad\",", type);
    REQUIRE(d);
    return std::pair(d->image.tiling.merge, d->image.tiling.whole_image);
  };
  CHECK(merge("") == std::pair(tile_merge::flat, true));
  CHECK(merge("\"mm_patch_merge_type\": \"flat\",") == std::pair(tile_merge::flat, true));
  CHECK(merge("\"mm_patch_merge_type\": \"spatial\",") == std::pair(tile_merge::spatial, true));
  CHECK(merge("\"mm_patch_merge_type\": \"spatial_nobase\",") == std::pair(tile_merge::spatial, false));
  CHECK(merge("\"mm_patch_merge_type\": \"spatial_unpad_nobase\",") == std::pair(tile_merge::unpad, false));
  CHECK(merge("\"mm_patch_merge_type\": \"spatial_maxpool2x2\",") == std::pair(tile_merge::pool, true));
  CHECK(merge("\"mm_patch_merge_type\": \"spatial_unpad_maxpool2x2_nobase\",") == std::pair(tile_merge::pool, false));
}

TEST_CASE("an original folder: highres and crop_split of LLaVA-NeXT") {
  changed folder("original_anyres", "config.json");
  const std::string three =
      "\"image_aspect_ratio\": \"anyres\",\n \"mm_patch_merge_type\": \"spatial_unpad\",\n "
      "\"image_grid_pinpoints\": " +
      std::string(list);
  const auto image = [&](const std::string& keys) {
    const auto d = folder.with(three, keys);
    if (!d) FAIL(d.error().what());
    return d->image;
  };
  const std::string highres = "\"image_aspect_ratio\": \"highres\", ",
                    split = "\"image_aspect_ratio\": \"crop_split\", ",
                    sides = "\"image_crop_resolution\": 84, \"image_split_resolution\": 28",
                    unpad = "\"mm_patch_merge_type\": \"spatial_unpad\", ";
  const auto padded = image(highres + unpad + "\"image_grid_pinpoints\": \"28, 56,28\"");
  CHECK(canvases(padded.tiling) == std::vector<canvas_size>{{56, 56}});
  CHECK(padded.tiling.fit == llava::canvas_fit::pad);
  CHECK(padded.tiling.merge == tile_merge::unpad);
  CHECK(padded.tiling.whole_image);
  CHECK(padded.filter == llava::resampling::bicubic);
  const auto cut = image(split + sides);
  CHECK(canvases(cut.tiling) == std::vector<canvas_size>{{84, 84}});
  CHECK(cut.tiling.fit == llava::canvas_fit::cover);
  CHECK(cut.tiling.merge == tile_merge::flat);
  CHECK_FALSE(cut.tiling.whole_image);
  CHECK(cut.filter == llava::resampling::lanczos);

  const std::string text_of_sides = "\"image_grid_pinpoints\" must be a text of sides such as 448,672, for highres",
                    rule = "image.tiling must have one canvas, a square, if its fit is pad or cover";
  for (const auto& [keys, fragment] : {
           std::pair{highres + "\"image_grid_pinpoints\": \"56,\"", text_of_sides},
           {highres + "\"image_grid_pinpoints\": \"56,x\"", text_of_sides},
           {highres + "\"image_grid_pinpoints\": \"-56\"", text_of_sides},
           {highres + "\"image_grid_pinpoints\": \"99999999999\"", text_of_sides},
           {highres + "\"image_grid_pinpoints\": \"\"", text_of_sides},
           {highres + "\"mm_hidden_size\": 24", text_of_sides},
           {highres + "\"image_grid_pinpoints\": \"57\"", std::string("the sides of a canvas of image.tiling must be")},
           {highres + unpad + "\"image_grid_pinpoints\": \"84\"", rule},
           {split + unpad + sides, rule},
           {split + "\"image_split_resolution\": 28", std::string("\"image_crop_resolution\" must be at least 1")},
           {split + "\"image_crop_resolution\": 84, \"image_split_resolution\": 14",
            std::string("\"image_split_resolution\" must be the side of the tower, 28, for crop_split")},
       }) {
    INFO(keys);
    CHECK(folder.error_with(three, keys).find(fragment) != std::string::npos);
  }
}

TEST_CASE("an original folder: anyres_max_N") {
  changed folder("original_anyres", "config.json");
  const auto d = folder.with("\"anyres\"", "\"anyres_max_9\"");
  REQUIRE(d);
  CHECK(d->image.tiling.shrinks_to == 9);
  for (const std::string_view wrong : {"anyres_max_", "anyres_max_0", "anyres_max_257", "anyres_max_9x", "anyresmax"})
    CHECK(
        folder.error_with("\"anyres\"", "\"" + std::string(wrong) + "\"").find("or anyres_max_N with N of 1 to 256") !=
        std::string::npos);
}

TEST_CASE("transformers' llava_next: canvases are height and width, and the processor has the same ones") {
  changed folder("next", "config.json");
  const auto d = folder.with("\"model_type\": \"llava_next\"", "\"model_type\": \"llava_next\"");
  REQUIRE(d);
  CHECK(canvases(d->image.tiling) == std::vector<canvas_size>{{28, 56}, {56, 28}, {56, 56}, {84, 28}, {28, 84}});
  CHECK(d->image.tiling.merge == tile_merge::unpad);
  CHECK_FALSE(d->image.tiling.rounds_to_zero);
  CHECK(d->image.pillow == 13);
}

TEST_CASE("llava-hf/llava-v1.6-mistral-7b-hf: keys missing from its config.json have transformers' defaults") {
  temporary_folder f("llava_next");
  f.write("config.json", R"({"architectures": ["LlavaNextForConditionalGeneration"], "image_token_index": 32000,
    "model_type": "llava_next", "use_image_newline_parameter": true, "vision_feature_layer": -2,
    "vision_feature_select_strategy": "default", "text_config": {"model_type": "mistral", "intermediate_size": 14336,
    "max_position_embeddings": 32768, "num_key_value_heads": 8, "rope_theta": 1000000.0, "sliding_window": null,
    "vocab_size": 32064}, "vision_config": {"hidden_size": 1024, "image_size": 336, "intermediate_size": 4096,
    "model_type": "clip_vision_model", "num_attention_heads": 16, "num_hidden_layers": 24, "patch_size": 14}})");
  const auto d = llava::try_describe_model(f.path.string());
  if (!d) FAIL(d.error().what());
  CHECK(canvases(d->image.tiling) ==
        std::vector<canvas_size>{{672, 336}, {336, 672}, {672, 672}, {336, 1008}, {1008, 336}});
  CHECK(d->image.crop == 336);
  CHECK(d->text.kv_heads == 8);
  CHECK(d->image_token == 32000);
}

TEST_CASE("R1: keys of any resolution that cannot be used are errors that name file and key") {
  struct row {
    const char *golden, *file;
    std::string_view from, to, fragment;
  };
  const std::string_view pairs = "\"image_grid_pinpoints\" must be a list of 1 to 64 pairs of positive 32-bit integers";
  const std::string many = "[[28, 28]" + [] {
    std::string rest;
    for (int i = 0; i < 64; ++i) rest += ", [28, 28]";
    return rest + "]";
  }();
  const std::string_view merge = "\"spatial_unpad\"", aspect = "\"anyres\"";
  for (const row& r : {
           row{"original_anyres", "config.json", list, "[]", pairs},
           row{"original_anyres", "config.json", list, "[[28, 56, 3]]", pairs},
           row{"original_anyres", "config.json", list, "[[28, -56]]", pairs},
           row{"original_anyres", "config.json", list, "[[28, 99999999999]]", pairs},
           row{"original_anyres", "config.json", list, "[[28, 56.0]]", pairs},
           row{"original_anyres", "config.json", list, "[28, 56]", pairs},
           row{"original_anyres", "config.json", list, "7", pairs},
           row{"original_anyres", "config.json", list, many, pairs},
           row{"original_anyres", "config.json", list, "\"\"", "a list of pairs, or a string that holds one"},
           row{"original_anyres", "config.json", list, "\"[(28, 56)\"", "a list of pairs, or a string that holds one"},
           row{"original_anyres", "config.json", list, "null", "\"image_grid_pinpoints\" must be there"},
           row{"original_anyres", "config.json", list, "\"(1x1),...,(9x9)\"", "a range such as (1x1),...,(6x6)"},
           row{"original_anyres", "config.json", list, "\"(3x1),...,(2x2)\"", "a range such as (1x1),...,(6x6)"},
           row{"original_anyres", "config.json", list, "\"(0x1),...,(2x2)\"", "a range such as (1x1),...,(6x6)"},
           row{"original_anyres", "config.json", list, "\"(1x9999999999)\"", "a range such as (1x1),...,(6x6)"},
           row{"original_anyres", "config.json", list, "\"x(\"", "a range such as (1x1),...,(6x6)"},
           row{"original_anyres", "config.json", list, "[[28, 57]]", "the sides of a canvas of image.tiling must be"},
           row{"original_anyres", "config.json", list, "[[28, 8400]]", "hold at most 256 tiles"},
           row{"original_anyres", "config.json", merge, "\"temporal\"",
               "\"mm_patch_merge_type\" is temporal, expected"},
           row{"original_anyres", "config.json", aspect, "\"highres\"", "must be a text of sides such as 448,672"},
           row{"original_anyres", "config.json", aspect, "\"pad\"", "is spatial_unpad without anyres, expected flat"},
           row{"original_anyres", "tower/preprocessor_config.json", "\"shortest_edge\": 28", "\"shortest_edge\": 30",
               "image.resize must equal image.crop for any resolution"},
           row{"next", "config.json", "\"llava_next\"", "\"llava\"",
               "the model_type of LlavaNextImageProcessor is llava_next"},
           row{"next", "preprocessor_config.json", "\"LlavaNextImageProcessor", "\"CLIPImageProcessor",
               "is CLIPImageProcessor, expected LlavaNextImageProcessor"},
           row{"next", "preprocessor_config.json", "84", "112",
               "\"image_grid_pinpoints\" must be the same list as in config.json"},
       }) {
    INFO(r.to);
    CHECK(changed(r.golden, r.file).error_with(r.from, r.to).find(r.fragment) != std::string::npos);
  }
}
