// SPDX-License-Identifier: Apache-2.0
/// try_describe_model: reads the small files of a folder into a model_description.
#pragma once
#include <charconv>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/folder_conversation.hpp>
#include <llava/checkpoint/generation_config.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/image_processor.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/other_folder.hpp>
#include <llava/checkpoint/quantisation.hpp>
#include <llava/checkpoint/text_config.hpp>
#include <llava/checkpoint/tiling.hpp>
#include <llava/checkpoint/video_config.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/config_rules.hpp>

LLAVA_BEGIN

/// What a description is for.
enum class description_of {
  weights_too,  ///< a model that is opened: the vision tower that it names must be here
  small_files   ///< no weights: the numbers of a published tower are known without it
};

namespace detail {

/// Reads a number of layers at the start of `name`, and the text behind it.
inline bool read_layers(std::string_view& name, std::string_view after, int& n) {
  const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), n);
  name.remove_prefix(static_cast<std::size_t>(end - name.data()));
  if (failure != std::errc() || n < 1 || !name.starts_with(after)) return false;
  name.remove_prefix(after.size());
  return true;
}

/// Reads "mlp2x_gelu" as mlp_gelu of depth 2, and "mlp2x_res3x_gelu" as mlp_res_gelu with 3 blocks. Any other name is
/// kept: it may be the projector of a user's model.
inline void read_projector_type(std::string_view name, model_description& d) {
  d.projector_type = name;
  d.projector.depth = 1;
  int depth = 0, blocks = 0;
  if (!name.starts_with("mlp")) return;
  name.remove_prefix(3);
  if (!read_layers(name, "x_", depth)) return;
  if (name == "gelu") {
    d.projector_type = "mlp_gelu";
  } else {
    if (!name.starts_with("res")) return;
    name.remove_prefix(3);
    if (!read_layers(name, "x_", blocks) || name != "gelu") return;
    d.projector_type = "mlp_res_gelu";
  }
  d.projector.depth = depth, d.projector.blocks = blocks;
}

/// `type`: llava; llava_next, which takes any resolution; or llava_next_video, which takes videos too.
inline result<void> try_describe_llava_hf(const std::string& folder, const json_object& root, std::string_view type,
                                          model_description& d) {
  // Some uploads of llava_next_video say llava_next.
  const bool has_video = type == "llava_next_video" || (type == "llava_next" && root.has("spatial_pool_mode"));
  d.has_vision = true;
  LLAVA_TRY(text, root.object("text_config"));
  LLAVA_CHECK(try_read_text_config(text, "llama", d));
  if (d.decoder == "mpt") return text.unsupported("model_type", "mpt", "llama, mistral or qwen2 in this layout");
  bool tied = d.text.tied;
  LLAVA_CHECK(root.read("tie_word_embeddings", tied));
  d.text.tied = d.text.tied || tied;
  if (root.has("vision_config")) {
    LLAVA_TRY(vision, root.object("vision_config"));
    LLAVA_CHECK(try_read_vision_config(vision, d));
  } else {
    d.vision_activation = "quick_gelu";  // CLIP-L/14-336, the defaults of vision_config
  }
  LLAVA_CHECK(try_read_feature_layers(root, d.vision));
  std::string select = "default";
  LLAVA_CHECK(root.read("vision_feature_select_strategy", select));
  if (select != "default" && select != "full")
    return root.unsupported("vision_feature_select_strategy", select, "default or full");
  d.vision.select = select == "default" ? feature_select::patch : feature_select::cls_patch;
  if (!d.vision.class_token && d.vision.select == feature_select::patch)
    return root.unsupported("vision_feature_select_strategy", "default", "full for a tower without class token");
  std::string projector = "mlp2x_gelu";  // transformers' only type; a variant names its own with LLaVA's key
  LLAVA_CHECK(root.read("mm_projector_type", projector));
  read_projector_type(projector, d);
  d.projector.vision_hidden = d.vision.feature_width();
  d.projector.hidden = d.text.hidden;
  LLAVA_CHECK(root.read("multimodal_projector_bias", d.projector.bias));
  std::string activation = "gelu";
  LLAVA_CHECK(root.read("projector_hidden_act", activation));
  if (activation != "gelu") return root.unsupported("projector_hidden_act", activation, "gelu");
  d.image_token = has_video ? 32001 : 32000;
  LLAVA_CHECK(root.read("image_token_index", d.image_token));
  LLAVA_CHECK(root.read("image_token_id", d.image_token));
  default_preprocessing(!d.vision.class_token, d.vision.image, d.image);
  if (has_video) LLAVA_CHECK(try_read_llava_next_video(root, d));
  if (type != "llava") LLAVA_CHECK(try_read_llava_next_canvases(root, d.image.tiling));
  LLAVA_CHECK(try_read_preprocessing(folder, root, d.image));
  return try_read_folder_conversation(folder, d);
}

/// The spelling of folders in which the language model has its own names.
inline tensor_spelling own_spelling(const model_description& d) {
  return d.decoder == "mpt" ? tensor_spelling::mpt : tensor_spelling::original;
}

inline result<void> try_describe_original(const std::string& folder, const json_object& root, const std::string& tower,
                                          description_of what, model_description& d) {
  d.prompt = prompt_rule::original;
  d.tokens_only = true;  // LLaVA's own program truncates the table and the head to the tokenizer's tokens
  d.has_vision = true;
  LLAVA_CHECK(try_read_text_config(root, "llama", d));
  d.spelling = own_spelling(d);
  std::string where = folder + "/" + tower;
  if (!folder_exists(where)) where = tower;
  if (!folder_exists(where) && looks_like_hub_id(tower)) where = cached_snapshot(tower);
  bool inside = false;
  std::string trained;  // LLaVA-NeXT's: parts of the model
  LLAVA_CHECK(root.read("unfreeze_mm_vision_tower", inside));
  LLAVA_CHECK(root.read("mm_tunable_parts", trained));
  inside = inside || trained.find("mm_vision_tower") != std::string::npos;
  if (folder_exists(where) && file_exists(where + "/config.json")) {
    LLAVA_TRY(json, json_document::try_read(where + "/config.json"));
    const json_object about = json.root();
    LLAVA_TRY(nested, about.object("vision_config"));  // a full CLIP, text tower included
    LLAVA_CHECK(try_read_vision_config(about.has("vision_config") ? nested : about, d));
    if (!inside) d.vision_folder = where;
  } else if ((!inside && what == description_of::weights_too) || !set_published_tower(tower, d)) {
    return fail(errc::not_found, text_of("llava: ", folder, " needs the vision tower ", tower,
                                         ", which is neither a folder nor in the Hugging Face cache; "
                                         "fetch it with `llava pull ",
                                         tower, "`"));
  }
  LLAVA_CHECK(try_read_original_selection(root, d.vision));
  LLAVA_CHECK(try_read_scales(root, d.vision));
  std::string shape, projector = "linear";
  LLAVA_CHECK(root.read("mm_projector_type", projector));
  read_projector_type(projector, d);
  d.projector.vision_hidden = d.vision.feature_width();
  d.projector.hidden = d.text.hidden;
  LLAVA_CHECK(root.read("mm_use_im_start_end", d.image_start_end));
  d.adds_image_patch = !root.contains("mm_use_im_patch_token");  // null means false
  LLAVA_CHECK(root.read("mm_use_im_patch_token", d.adds_image_patch));
  LLAVA_CHECK(root.read("image_aspect_ratio", shape));
  LLAVA_CHECK(try_read_original_preprocessing(where, d.vision, shape == "pad", d.image));
  if (d.vision.scales.count > 0) d.image.resize = d.image.crop = d.vision.input();
  LLAVA_CHECK(try_read_original_tiling(root, shape, d.vision.image, d.image));
  if (d.vision.scales.count > 0 && d.image.tiling.count > 0)
    return root.unsupported("s2", "true", "false with any resolution");
  LLAVA_CHECK(try_read_original_video(root, d));
  const bool has_class_token = d.vision.class_token && d.vision.select == feature_select::cls_patch;
  if (d.projector_type == "pooler" && (has_class_token || d.image.tiling.merge != tile_merge::flat))
    return root.unsupported("mm_projector_type", "pooler", "another one with cls_patch, or with a spatial merge");
  LLAVA_CHECK(root.read("tokenizer_model_max_length", d.longest_prompt));
  if (root.has("tokenizer_model_max_length") && d.longest_prompt < 1)
    return root.wrong("tokenizer_model_max_length", "at least 1");
  return try_read_original_conversation(folder, root, d);
}

/// Checks what a description states against the rules of its configurations (config_rules.hpp); `file` states it.
inline result<void> try_confirm_rules(const model_description& d, std::string_view file) {
  std::string_view broken = first_broken_rule(d.text);
  if (broken.empty() && d.has_vision) broken = first_broken_rule(d.vision);
  if (broken.empty() && d.has_vision) broken = first_broken_rule(d.image);
  if (broken.empty() && d.has_vision) broken = first_broken_rule(d.projector);
  if (broken.empty() && d.has_video) broken = first_broken_rule(d.video);
  if (!broken.empty()) return fail(errc::invalid_format, text_of(broken, " (", file, ")"));
  if (d.has_video && d.video.pool_stride > d.vision.grid())
    return fail(errc::invalid_format,
                text_of("llava: video.pool_stride is ", d.video.pool_stride, ", expected at most ", d.vision.grid(),
                        ", the patches along a side of a frame (", file, ")"));
  return {};
}

}  // namespace detail

/// Reads config.json and the small files in its folder. Errors name the file and the key. `base`: the folder of the
/// language model of a projector alone, which then has the generation settings and the tokenizer; or empty.
inline result<model_description> try_describe_model(const std::string& folder, const std::string& base = {},
                                                    description_of what = description_of::weights_too) {
  return guarded([&]() -> result<model_description> {
    const std::string file = folder + "/config.json";
    if (!detail::file_exists(file)) return detail::missing_file_error(folder, "config.json");
    LLAVA_TRY(json, json_document::try_read(file));
    const json_object root = json.root();
    LLAVA_CHECK(try_read_quantisation(root));  // refuses other methods
    model_description d;
    std::string tower, type;
    LLAVA_CHECK(root.read("vision_tower", tower));
    LLAVA_CHECK(root.read("mm_vision_tower", tower));
    LLAVA_CHECK(root.read("model_type", type));
    if (root.has("text_config")) {
      if (type.empty()) type = "llava";
      if (type != "llava" && type != "llava_next" && type != "llava_next_video")
        return root.unsupported("model_type", type, "llava, llava_next or llava_next_video");
      LLAVA_CHECK(detail::try_describe_llava_hf(folder, root, type, d));
    } else if (!tower.empty()) {
      LLAVA_CHECK(detail::try_describe_original(folder, root, tower, what, d));
    } else if (type == "llava" || type.starts_with("llava_")) {
      return fail(errc::invalid_format, text_of("llava: ", file, ": \"model_type\" is ", type,
                                                ", but neither \"text_config\" (transformers' ",
                                                "layout) nor \"mm_vision_tower\" (the original layout) is there"));
    } else {
      d.prompt = prompt_rule::tokenizer;
      LLAVA_CHECK(detail::try_read_text_config(root, "llama", d));
      d.spelling = detail::own_spelling(d);
      LLAVA_CHECK(detail::try_read_folder_conversation(folder, d));
    }
    LLAVA_CHECK(detail::try_read_generation_config(base.empty() ? folder : base, root, d));
    // Over a base, the reference uses the fast one for MPT alone, and for no adapter.
    if (!base.empty())
      d.slow_tokenizer = detail::name_has(d.model_name, "lora") || !detail::name_has(d.model_name, "mpt");
    LLAVA_CHECK(detail::try_confirm_rules(d, file));
    if (d.has_vision && d.image.crop != d.vision.input())
      return fail(errc::mismatch, text_of("llava: ", folder, " prepares images of ", d.image.crop,
                                          " pixels, expected the tower's ", d.vision.input()));
    return d;
  });
}

LLAVA_END
