// SPDX-License-Identifier: Apache-2.0
/// Writes a checkpoint in the original layout, as LLaVA's own program saves it: config.json with mm_… keys, the
/// tokenizer, and the weights with that program's names.
///
/// A tower with the numbers of CLIP-L/14 at 224 or 336 pixels, or of SigLIP-so400m at 384, stays among the weights, as
/// in LLaVA-1.6, and config.json names OpenAI's or Google's, from which the program reads the rest. Any other tower
/// becomes the folder vision_tower or siglip_tower inside the new one. The program finds a CLIP tower there only from
/// the new folder: it looks from where it is started. It takes no folder for SigLIP; this library does.
///
/// The tokenizer is copied, `<image>` included: the program cuts a prompt there before it reads it. Refused by name:
/// what the program lacks.
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/llava_hf_folder.hpp>
#include <llava/checkpoint/written_configs.hpp>

LLAVA_BEGIN

namespace detail {

/// The name of a tower's folder. LLaVA-NeXT's program knows SigLIP by its name.
inline std::string_view own_tower_folder(const model_description& d) {
  return is_siglip(d.vision) ? "siglip_tower" : "vision_tower";
}

/// Whether images are prepared as by a tower's class with these mean and std.
inline bool prepares_as(image_mean_std which, const model_description& d) {
  const image_config &i = d.image, usual;
  image_config own;
  set_mean_std(which, own);
  const aspect other = which == image_mean_std::half ? aspect::crop : aspect::stretch;
  return i.resize == d.vision.image && i.crop == d.vision.image && i.filter == usual.filter && i.normalise &&
         i.rescale == usual.rescale && i.shape != other && std::equal(i.mean, i.mean + 3, own.mean) &&
         std::equal(i.std, i.std + 3, own.std);
}

/// The repository of the tower with these numbers and this preprocessing; empty when there is none. LLaVA-NeXT's
/// program leaves out the last layer of SigLIP.
inline std::string_view published_tower(const model_description& d) {
  const bool siglip = is_siglip(d.vision);
  if (!prepares_as(siglip ? image_mean_std::half : image_mean_std::clip, d)) return {};
  for (const std::string_view name : {std::string_view("openai/clip-vit-large-patch14-336"),
                                      std::string_view("openai/clip-vit-large-patch14"), published_siglip}) {
    model_description known;
    set_published_tower(name, known);
    const vision_config &u = known.vision, &v = d.vision;
    const bool same_layers = siglip ? v.layers_run() == u.layers - 1 : v.layers == u.layers;
    if (is_siglip(u) == siglip && same_layers && v.hidden == u.hidden && v.heads == u.heads && v.ffn == u.ffn &&
        v.patch == u.patch && v.image == u.image && v.eps == u.eps && d.vision_activation == known.vision_activation)
      return name;
  }
  return {};
}

/// What the program lacks for a SigLIP tower: it has one preparation of images, and selects the output of the last
/// layer but one.
inline result<void> try_confirm_siglip(const checkpoint& from, std::string_view target) {
  const model_description& d = from.description;
  if (!prepares_as(image_mean_std::half, d)) return cannot_hold(from, target, "other image settings for SigLIP");
  if (!published_tower(d).empty()) return {};
  if (d.vision.layers_run() != d.vision.layers - 1)
    return cannot_hold(from, target, "features of SigLIP but those of the last layer but one");
  if (as_stored_tower(from).vision.layers != d.vision.layers)
    return cannot_hold(from, target, "SigLIP tower without its last layer, which LLaVA-NeXT's program takes away");
  return {};
}

inline result<void> try_confirm_original(const checkpoint& from, const std::string& to, const convert_options& o) {
  constexpr std::string_view target = "the original layout";
  const model_description& d = from.description;
  LLAVA_CHECK(try_confirm_source(from, target));
  if (is_siglip(d.vision)) LLAVA_CHECK(try_confirm_siglip(from, target));
  if (d.projector_type != "mlp_gelu" || !d.projector.bias)
    return cannot_hold(from, target, "projector but mlpNx_gelu with biases");
  if (d.text.scaling != rope_scaling::none && d.text.scaling != rope_scaling::linear &&
      d.text.scaling != rope_scaling::dynamic)
    return cannot_hold(from, target, "scaling of the rotary embedding but linear and dynamic");
  if (d.text.head_dim * d.text.heads != d.text.hidden)
    return cannot_hold(from, target, "heads of ", d.text.head_dim, " elements for a width of ", d.text.hidden);
  if (d.image.tiling.count > 0 && d.image.filter != resampling::bicubic)
    return cannot_hold(from, target, "other filter than bicubic for tiles");
  const std::string name = name_of_folder(to);
  if (o.model_name.empty() && (!name_has(name, "llava") || !names_conversation(name)))
    return fail(
        errc::invalid_argument,
        text_of("llava: LLaVA's program chooses its conversation by the folder's name, and knows none for ", name,
                "; call the new folder as the model was published, for instance llava-v1.5-7b, or state that ",
                "name as model_name (--model-name)"));
  return {};
}

/// `d`: the description of `from`, with the tower that is written.
inline json_value::object written_original_config(const checkpoint& from, const model_description& d,
                                                  const convert_options& o, dtype type) {
  const std::string_view tower = published_tower(d), family = d.text_family;
  const char* architecture = family == "mistral" ? "LlavaMistralForCausalLM"
                             : family == "qwen2" ? "LlavaQwenForCausalLM"
                                                 : "LlavaLlamaForCausalLM";
  json_value::object c;
  if (!o.model_name.empty()) set_member(c, model_name_key, o.model_name);
  set_member(c, "architectures", json_list(architecture));
  set_member(c, "model_type", family == "qwen2" ? "llava_qwen" : text_of("llava_", family));
  set_text_members(c, d, d.text.vocab);
  if (from.tokenizer.pad() >= 0) set_member(c, "pad_token_id", from.tokenizer.pad());
  set_member(c, "torch_dtype", torch_name(type));
  set_member(c, "use_mm_proj", true);
  set_member(c, "mm_vision_tower", tower.empty() ? own_tower_folder(d) : tower);
  set_member(c, "unfreeze_mm_vision_tower", !tower.empty());
  set_member(c, "mm_hidden_size", d.vision.hidden);
  set_member(c, "mm_projector_type", text_of("mlp", d.projector.depth, "x_gelu"));
  set_member(c, "mm_vision_select_layer", is_siglip(d.vision) ? -2 : d.vision.select_layer);
  set_member(c, "mm_vision_select_feature", d.vision.select == feature_select::patch ? "patch" : "cls_patch");
  set_member(c, "mm_use_im_start_end", d.image_start_end);
  set_member(c, "mm_use_im_patch_token", false);
  set_member(c, "tokenizer_padding_side", "right");
  if (d.longest_prompt > 0) set_member(c, "tokenizer_model_max_length", d.longest_prompt);
  const tiling_config& t = d.image.tiling;
  set_member(c, "image_aspect_ratio", t.count > 0 ? "anyres" : d.image.shape == aspect::pad ? "pad" : "square");
  if (t.count > 0) set_member(c, "mm_patch_merge_type", name_of(t.merge));
  if (t.count > 0) set_member(c, canvases_key, written_canvases(t, true));
  return c;
}

/// Writes the tower as a folder of transformers' CLIPVisionModel or SiglipVisionModel.
inline result<void> try_write_tower(const new_folder& made, const checkpoint& from, const model_description& d,
                                    const convert_options& o) {
  const bool siglip = is_siglip(d.vision);
  const std::string folder = text_of(made.folder(), "/", own_tower_folder(d));
  if (::mkdir(folder.c_str(), 0777) != 0) return fail_of_system(errno, "llava: cannot create the folder ", folder);
  const auto file_name = [](std::string_view name) { return text_of("vision_model.", name.substr(7)); };
  const types_to_write types(from);
  conversion_plan plan(o.type);
  result<void> added;
  from.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
    if (added && name.rfind("vision.", 0) == 0 && belongs_to_model(name, d))
      added = plan.try_add(t, file_name(name), types(name, t));
  });
  LLAVA_CHECK(std::move(added));
  LLAVA_CHECK(try_add_last_norm(plan, from, types, file_name));
  json_value::object config = written_vision_config(d, has_head(from));
  set_member(config, "architectures", json_list(siglip ? "SiglipVisionModel" : "CLIPVisionModel"));
  const auto file = [&](const char* name) { return text_of(own_tower_folder(d), "/", name); };
  LLAVA_CHECK(try_write_json(made, file("config.json"), std::move(config)));
  LLAVA_CHECK(try_write_json(made, file("preprocessor_config.json"),
                             written_image_processor(d.image, siglip ? "SiglipImageProcessor" : "CLIPImageProcessor")));
  return plan.try_write(folder, from.path, from.tensors, o);
}

inline result<void> try_write_original(const checkpoint& from, const std::string& to, const convert_options& o) {
  LLAVA_CHECK(try_confirm_original(from, to, o));
  const bool tower_inside = !published_tower(from.description).empty();
  // A published tower brings the layers that do not run.
  model_description d = tower_inside ? from.description : as_stored_tower(from);
  const std::string name = o.model_name.empty() ? name_of_folder(to) : o.model_name;
  // A GGUF file does not tell LLaMA from Mistral; the program takes its class by the name.
  if (is_of_gguf(from) && d.text_family == "llama" && name_has(name, "mistral")) d.text_family = "mistral";
  const types_to_write types(from);
  const tensor_names names = tensor_names::to_write(tensor_spelling::original);
  conversion_plan plan(o.type);
  result<void> added;
  from.tensors.for_each([&](const std::string& own, const stored_tensor& t) {
    if (!added || !belongs_to_model(own, d) || (!tower_inside && own.rfind("vision.", 0) == 0)) return;
    added = plan.try_add(t, names.file_name(own), types(own, t));
  });
  LLAVA_CHECK(std::move(added));

  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_words(made, from, !asks_for_fast_tokenizer(name)));
  LLAVA_CHECK(try_write_json(made, "config.json", written_original_config(from, d, o, plan.main_type())));
  if (!tower_inside) LLAVA_CHECK(try_write_tower(made, from, d, o));
  LLAVA_CHECK(plan.try_write(made.folder(), from.path, from.tensors, o));
  return made.try_commit();
}

}  // namespace detail

LLAVA_END
