// SPDX-License-Identifier: Apache-2.0
/// The layers of the tower whose features the projector reads, in the two layouts.
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

/// Describes a golden with a change to its config.json.
llava::result<llava::model_description> described(const std::string& golden, std::string_view from, std::string_view to,
                                                  int layers = 0) {
  temporary_folder f("layers");
  f.copy(LLAVA_TEST_DATA "/goldens/" + golden);
  const std::string text = replaced(f.read("config.json"), from, to);
  REQUIRE_FALSE(text.empty());
  f.write("config.json", text);
  if (layers > 0) {
    const std::string tower = replaced(f.read("tower/config.json"), "\"num_hidden_layers\": 3",
                                       "\"num_hidden_layers\": " + std::to_string(layers));
    REQUIRE_FALSE(tower.empty());
    f.write("tower/config.json", tower);
  }
  return llava::try_describe_model(f.path.string());
}
std::string error_of(const llava::result<llava::model_description>& d) { return d ? "" : d.error().sentence(); }

std::vector<int> layers_of(const llava::result<llava::model_description>& d) {
  if (!d) FAIL(d.error().what());
  const llava::vision_config& v = d->vision;
  CHECK(d->projector.vision_hidden == v.hidden * v.selected());
  std::vector<int> all{v.select_layer};
  all.insert(all.end(), v.more_layers.of, v.more_layers.of + v.more_layers.count);
  return all;
}

const std::string layer = "\"vision_feature_layer\": -2", feature = "\"mm_vision_select_feature\": \"patch\"";

}  // namespace

TEST_CASE("transformers' vision_feature_layer is a layer or a list of layers") {
  CHECK(layers_of(described("clip_mha", layer, "\"vision_feature_layer\": [1]")) == std::vector{1});
  CHECK(layers_of(described("clip_mha", layer, "\"vision_feature_layer\": [-2, 0, 3, -4]")) ==
        std::vector{-2, 0, 3, -4});
  const auto deepest = described("next", layer, "\"vision_feature_layer\": [0, -3, 2]");
  CHECK(layers_of(deepest) == std::vector{0, -3, 2});
  CHECK(deepest->vision.layers_run() == 2);
}

TEST_CASE("LLaVA-NeXT's features of several layers: slicefour and slice_m25811_f6") {
  // As by range(25 // 4 - 2, 25, 25 // 4) and so on.
  const std::string four = "\"mm_vision_select_feature\": \"slicefour_patch\"";
  CHECK(layers_of(described("original_folder", feature, four, 24)) == std::vector{4, 10, 16, 22});
  CHECK(layers_of(described("original_folder", feature, four, 11)) == std::vector{1, 4, 7, 10});
  CHECK(layers_of(described("original_folder", feature, four, 7)) == std::vector{0, 2, 4, 6});
  const auto five =
      described("original_folder", feature, "\"mm_vision_select_feature\": \"slice_m25811_f6_cls_patch\"", 24);
  CHECK(layers_of(five) == std::vector{-2, -5, -8, -11, 6});
  CHECK(five->vision.select == llava::feature_select::cls_patch);
  CHECK(five->vision.layers_run() == 23);
  CHECK(layers_of(described("original_siglip", feature, four)) == std::vector{-2});  // SigLIP ignores it
}

TEST_CASE("R1: layers that cannot be features are errors that name file and key") {
  std::string many = "\"vision_feature_layer\": [0";
  for (int i = 0; i < 16; ++i) many += ", 0";
  const auto hf = [](const std::string& to) { return error_of(described("clip_mha", layer, to)); };
  const auto original = [](const std::string& name) {
    return error_of(described("original_folder", feature, "\"mm_vision_select_feature\": \"" + name + "\""));
  };
  const std::string list = "config.json: \"vision_feature_layer\" must be a layer, or a list of 1 to 16 layers";
  for (const auto& [found, expected] : std::initializer_list<std::pair<std::string, std::string>>{
           {hf(many + "]"), list},
           {hf("\"vision_feature_layer\": []"), list},
           {hf("\"vision_feature_layer\": [0, \"1\"]"), list},
           {hf("\"vision_feature_layer\": [0, 1.5]"), list},
           {hf("\"vision_feature_layer\": [0, 9999999999]"), list},
           {hf("\"vision_feature_layer\": [0, 2147483647]"), "vision.select_layer must index a hidden state"},
           {hf("\"vision_feature_layer\": [-5, 1]"), "vision.select_layer must index a hidden state"},
           {original("slicefour_patch"),
            "\"mm_vision_select_feature\" is slicefour_patch of a tower with 3 layers, expected layers and a"},
           {original("slice_m25811_f6_patch"), "vision.select_layer must index a hidden state"},
           {original("slicefour_cls"), "is slicefour_cls, expected patch or cls_patch, alone or behind slicefour_"},
           {error_of(described("original_folder", feature,
                               "\"mm_vision_select_feature\": \"cls_patch\", \"mm_projector_type\": \"pooler\"")),
            "\"mm_projector_type\" is pooler, expected another one with cls_patch"},
           {error_of(described("original_anyres", "\"mlp2x_gelu\"", "\"pooler\"")),
            "\"mm_projector_type\" is pooler, expected another one with cls_patch, or with a spatial merge"}}) {
    INFO(expected);
    INFO(found);
    CHECK(found.find(expected) != std::string::npos);
  }
}

TEST_CASE("S2: the sides at which the tower sees an image, in any order; the image has the largest") {
  const auto with = [](const std::string& keys) { return described("original_folder", feature, keys + feature); };
  const auto d = with("\"s2\": true, \"s2_scales\": \"84, 42,126\", ");
  REQUIRE(d);
  CHECK(d->vision.scales == llava::scale_list{3, {42, 84, 126}});
  CHECK((d->image.resize == 126 && d->image.crop == 126));
  CHECK(d->projector.vision_hidden == 3 * d->vision.hidden);
  CHECK(with("\"s2\": false, \"s2_scales\": \"1\", ")->vision.scales.count == 0);
  CHECK(described("original_siglip", feature, "\"s2\": true, " + feature)->vision.scales.count == 0);
  const auto error_with = [&](const std::string& scales) {
    return error_of(with("\"s2\": true, \"s2_scales\": \"" + scales + "\", "));
  };
  const std::string wrong = "config.json: \"s2_scales\" must be 1 to 4 sides in pixels, separated by commas";
  for (const char* scales : {"", "42,", ",42", "42;84", "42,84,126,168,210", "42,99999999999", "42, 8 4"})
    CHECK(error_with(scales).find(wrong) != std::string::npos);
  for (const char* scales : {"84,126", "42,63", "42,42", "42,420", "-42,42", "0,42"})
    CHECK(error_with(scales).find("vision.scales must be at most 4 sides") != std::string::npos);
  CHECK(error_of(described("original_anyres", feature, "\"s2\": true, \"s2_scales\": \"28,56\", " + feature))
            .find("\"s2\" is true, expected false with any resolution") != std::string::npos);
  CHECK(error_of(described("original_folder", feature,
                           "\"s2\": true, \"mm_vision_select_feature\": \"cls_patch\", \"x\": \"\""))
            .find("is cls_patch, expected patch, with s2") != std::string::npos);
}

TEST_CASE("mm_projector_type states layers and blocks; other names are kept") {
  const auto named = [](const std::string& type) {
    const auto d = described("original_folder", "mlp2x_gelu", type);
    REQUIRE(d);
    return llava::text_of(d->projector_type, " ", d->projector.depth, " ", d->projector.blocks);
  };
  CHECK(named("mlp2x_gelu") == "mlp_gelu 2 0");
  CHECK(named("mlp16x_gelu") == "mlp_gelu 16 0");
  CHECK(named("mlp2x_res3x_gelu") == "mlp_res_gelu 2 3");
  CHECK(named("mlp1x_res16x_gelu") == "mlp_res_gelu 1 16");
  CHECK(named("pooler") == "pooler 1 0");
  for (const char* own : {"mlp", "mlpx_gelu", "mlp0x_gelu", "mlp-1x_gelu", "mlp2x_gelu_", "mlp2x_resx_gelu",
                          "mlp2x_res0x_gelu", "mlp2x_res1x_gelu2", "mlp99999999999x_gelu"})
    CHECK(named(own) == llava::text_of(own, " 1 0"));
  CHECK(error_of(described("original_folder", "mlp2x_gelu", "mlp17x_gelu")).find("projector.depth must be") !=
        std::string::npos);
  CHECK(error_of(described("original_folder", "mlp2x_gelu", "mlp2x_res17x_gelu")).find("projector.blocks must be") !=
        std::string::npos);
}
