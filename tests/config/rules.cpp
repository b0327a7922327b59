// SPDX-License-Identifier: Apache-2.0
#include <llava/config_rules.hpp>
#include <llava/pipeline/config_fields.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("config: the defaults are LLaVA-1.5's", "[config]") {
  constexpr vision_config v;
  static_assert(v.patches() == 576, "llava: 24 × 24 patches");
  static_assert(with(v, [](auto& c) { c.image = 384; }).patches() == 729,
                "llava: SigLIP so400m: 27 × 27, 6 pixels left");
  static_assert(v.layers_run() == 23, "llava: the last layer is not run");
  static_assert(v.features() == 576, "llava: the class token is no feature");
  static_assert(with(v, [](auto& c) { c.select = feature_select::cls_patch; }).features() == 577,
                "llava: it is one with cls_patch");
  static_assert(with(v, [](auto& c) { c.select_layer = 5; }).layers_run() == 5,
                "llava: a layer counted from the front");
  constexpr auto three = with(v, [](auto& c) { c.select_layer = 3, c.more_layers = {2, {-5, 0}}; });
  static_assert(three.layers_run() == 20 && three.selected_state(1) == 20 && three.selected_state(2) == 0,
                "llava: the deepest of several selected layers");
  static_assert(three.feature_width() == 3 * 1024, "llava: their features stand side by side");
  CHECK(first_broken_rule(three).empty());
  constexpr auto s2 = with(v, [](auto& c) { c.scales = {3, {336, 672, 1008}}; });
  static_assert(s2.input() == 1008 && s2.feature_width() == 3 * 1024 && s2.features() == 576,
                "llava: three scales of one map");
  CHECK(first_broken_rule(s2).empty());
  CHECK(first_broken_rule(v).empty());
  CHECK(first_broken_rule(text_config{}).empty());
  CHECK(first_broken_rule(image_config{}).empty());
  CHECK(first_broken_rule(projector_config{}).empty());
}

TEST_CASE("R2: a broken rule is reported by its sentence, and no check overflows", "[config]") {
  const auto broken = [](auto config, auto change) { return std::string(first_broken_rule(with(config, change))); };
  CHECK(broken(text_config{}, [](auto& c) { c.kv_heads = 5; }) ==
        "llava: text.heads must be a multiple of text.kv_heads (grouped-query attention)");
  CHECK(broken(text_config{}, [](auto& c) { c.kv_heads = 0; }).find("text.kv_heads") != std::string::npos);
  CHECK(broken(text_config{}, [](auto& c) { c.head_dim = 127; }).find("text.head_dim") != std::string::npos);
  CHECK(broken(text_config{}, [](auto& c) { c.vocab = -1; }).find("text.vocab") != std::string::npos);
  CHECK(broken(text_config{}, [](auto& c) { c.eps = 0.f / 0.f; }).find("text.eps") != std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) { c.patch = 0; }).find("vision.patch") != std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) { c.heads = 0; }).find("vision.heads") != std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) { c.select_layer = 25; }).find("vision.select_layer") != std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) { c.select_layer = -2147483647 - 1; }).find("vision.select_layer") !=
        std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) {
          c.more_layers = {2, {1, 25}};
        }).find("more_layers") != std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) { c.more_layers.count = 16; }).find("more_layers") != std::string::npos);
  CHECK(broken(vision_config{}, [](auto& c) { c.more_layers.count = -1; }).find("more_layers") != std::string::npos);
  for (const scale_list& wrong : {scale_list{2, {672, 1008}}, scale_list{2, {336, 500}}, scale_list{2, {336, 336}},
                                  scale_list{2, {336, 9 * 336}}, scale_list{5, {336}}, scale_list{-1, {}}})
    CHECK(broken(vision_config{}, [&](auto& c) { c.scales = wrong; }).find("vision.scales") != std::string::npos);
  CHECK(broken(projector_config{}, [](auto& c) { c.blocks = 17; }).find("projector.blocks") != std::string::npos);
  CHECK(broken(video_config{}, [](auto& c) { c.pool_stride = 0; }).find("video.pool_stride") != std::string::npos);
  CHECK(broken(image_config{}, [](auto& c) { c.std[1] = 0; }).find("image.std") != std::string::npos);
  CHECK(broken(projector_config{}, [](auto& c) { c.depth = 0; }).find("projector.depth") != std::string::npos);
}

TEST_CASE("config: fixed configurations take no space, loaded ones hold what was read", "[config]") {
  static constexpr text_config numbers;
  static_assert(std::is_empty_v<fixed<&numbers>>, "llava: a fixed configuration takes no space");
  static_assert(
      fixed<&numbers> {} -> kv_heads == 32, "llava: its numbers are constants");
  loaded<text_config> read{with(numbers, [](auto& c) { c.layers = 2; })};
  CHECK(read->layers == 2);
  CHECK((*read).layers == 2);
}

TEST_CASE("config: every number of a fixed model is compared", "[config]") {
  int fields = 0;
  each_field(static_cast<const text_config*>(nullptr), [&](std::string_view, auto) { ++fields; });
  each_field(static_cast<const vision_config*>(nullptr), [&](std::string_view, auto) { ++fields; });
  each_field(static_cast<const projector_config*>(nullptr), [&](std::string_view, auto) { ++fields; });
  CHECK(fields == 25 + 14 + 5);
}
