// SPDX-License-Identifier: Apache-2.0
/// Writes a checkpoint as transformers' LlavaForConditionalGeneration or LlavaNextForConditionalGeneration saves it
/// (llava-hf): config.json with text_config and vision_config, processor_config.json, preprocessor_config.json,
/// chat_template.jinja, the tokenizer with `<image>` and its tokenizer.json, and the weights with the names that are on
/// the Hugging Face hub. The tables of tokens grow to a multiple of 64 rows if `<image>` needs one, as in transformers'
/// own conversion. The new rows are the mean of the others: no prompt uses them, and no answer has them.
///
/// Refused by name: what these classes lack (MPT, other projectors, S2, merges of LLaVA-NeXT, …).
#pragma once
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/checkpoint/added_image_token.hpp>
#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/conversion.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/written_chat_template.hpp>
#include <llava/checkpoint/written_configs.hpp>
#include <llava/checkpoint/written_gguf_keys.hpp>
#include <llava/checkpoint/written_tokenizer_json.hpp>

LLAVA_BEGIN

namespace detail {

/// The error for what the layout `target` cannot hold.
template <class... What>
error cannot_hold(const checkpoint& from, std::string_view target, const What&... what) {
  return fail(errc::unsupported,
              text_of("llava: ", from.path, " cannot be written in ", target, ", which has no ", what...));
}

/// The error for what a layout may hold, and no converter writes.
inline error not_converted(const checkpoint& from, std::string_view what) {
  return fail(errc::unsupported,
              text_of("llava: ", from.path, " has ", what, ", which are not converted to other layouts"));
}

/// What every layout needs of a source: weights of floats, or of ggml's blocks.
inline result<void> try_confirm_files_to_convert(const checkpoint& from, std::string_view target) {
  std::string blocks;
  from.tensors.for_each([&](const std::string&, const stored_tensor& t) {
    if (blocks.empty()) blocks = t.format;
  });
  if (!blocks.empty()) return cannot_hold(from, target, "weights of ", blocks, "; convert the unquantised folder");
  if (from.description.adds_image_patch && from.tokenizer.find(image_patch))
    return cannot_hold(from, target, "token <im_patch> that the tokenizer's files lack; if no prompt has it, write ",
                       "\"mm_use_im_patch_token\": false into config.json");
  return {};
}

/// What both layouts of folders need of a source.
inline result<void> try_confirm_source(const checkpoint& from, std::string_view target) {
  const model_description& d = from.description;
  if (!d.has_vision) return cannot_hold(from, target, "place for a language model alone");
  if (d.decoder != "llama") return cannot_hold(from, target, "decoder ", d.decoder);
  if (d.text.scaling == rope_scaling::longrope && !is_of_gguf(from))
    return cannot_hold(from, target, "longrope without its long factors");
  if (const text_config& c = d.text;
      d.text_family == "qwen2" ? !c.qkv_bias || c.o_bias || c.mlp_bias : c.qkv_bias != c.o_bias)
    return cannot_hold(from, target, "such biases for a language model of the family ", d.text_family);
  if (!is_clip(d.vision) && !is_siglip(d.vision)) return cannot_hold(from, target, "tower but CLIP and SigLIP");
  if (d.vision.more_layers.count > 0) return not_converted(from, "features of several layers");
  if (d.vision.scales.count > 0) return cannot_hold(from, target, "S2 tower");
  if (d.has_video) return not_converted(from, "settings of videos");
  return try_confirm_files_to_convert(from, target);
}

inline result<void> try_confirm_llava_hf(const checkpoint& from) {
  constexpr std::string_view target = "transformers' layout (llava-hf)";
  const model_description& d = from.description;
  const tiling_config& t = d.image.tiling;
  LLAVA_CHECK(try_confirm_source(from, target));
  if (d.projector_type != "mlp_gelu" || d.projector.depth != 2)
    return cannot_hold(from, target, "projector but mlp2x_gelu");
  if (t.count > 0 && (t.merge != tile_merge::unpad || !t.whole_image || t.shrinks_to > 0))
    return cannot_hold(from, target, "merge of tiles but spatial_unpad, with the whole image and without a limit");
  if (d.image_start_end) return cannot_hold(from, target, "<im_start> and <im_end> around its images");
  if (d.prompt == prompt_rule::processor && from.tokenizer.piece(d.image_token) != "<image>")
    return cannot_hold(from, target, "token for images but <image>");
  const std::string& own = d.conversation.own.text;
  if (!own.empty() && own.find("type") == std::string::npos)  // the parts of a turn are told apart by their types
    return cannot_hold(from, target, "chat template that takes texts alone, and no images");
  if (own.empty() && !written_chat_template(d.conversation.name))
    return cannot_hold(from, target, "chat template for the conversation ", d.conversation.name);
  return {};
}

/// Whether transformers' classes select all features of the tower, rather than all but the class token's.
inline bool selects_all(const vision_config& v) { return !v.class_token || v.select == feature_select::cls_patch; }

/// Whether the tower's head is among the weights.
inline bool has_head(const checkpoint& from) { return from.tensors.find("vision.head.probe") != nullptr; }

/// The rows of the tables of tokens, with one for `<image>`.
inline std::int64_t rows_with_image(std::int64_t rows, std::int64_t image_token) {
  return image_token < rows ? rows : (image_token / 64 + 1) * 64;
}

/// `d`: the description of `from`, with the tower that is written.
inline json_value::object written_llava_hf_config(const checkpoint& from, const model_description& d,
                                                  std::int32_t image_token, int vocab, dtype type) {
  const bool is_next = d.image.tiling.count > 0;
  json_value::object o, text;
  set_member(o, "architectures",
             json_list(is_next ? "LlavaNextForConditionalGeneration" : "LlavaForConditionalGeneration"));
  set_member(o, "model_type", is_next ? "llava_next" : "llava");
  set_member(o, "ignore_index", -100);
  set_member(o, "image_token_index", image_token);
  set_member(o, "image_seq_length", d.vision.features());
  if (is_next) set_member(o, canvases_key, written_canvases(d.image.tiling, false));
  if (is_next) set_member(o, "use_image_newline_parameter", true);
  set_member(o, "multimodal_projector_bias", d.projector.bias);
  set_member(o, "projector_hidden_act", "gelu");
  if (from.tokenizer.pad() >= 0) set_member(o, "pad_token_id", from.tokenizer.pad());
  set_member(o, "tie_word_embeddings", d.text.tied);
  set_member(o, "torch_dtype", torch_name(type));
  set_member(o, "vision_feature_layer", d.vision.select_layer);
  set_member(o, "vision_feature_select_strategy", selects_all(d.vision) ? "full" : "default");
  set_member(text, "model_type", d.text_family);
  set_text_members(text, d, vocab);
  set_member(text, "torch_dtype", torch_name(type));
  set_member(o, "text_config", json_value(std::move(text)));
  set_member(o, "vision_config", json_value(written_vision_config(d, has_head(from))));
  return o;
}

inline result<void> try_write_processor(const new_folder& to, const model_description& d) {
  const bool is_next = d.image.tiling.count > 0;
  json_value::object processor;
  set_member(processor, "processor_class", is_next ? "LlavaNextProcessor" : "LlavaProcessor");
  set_member(processor, "image_token", "<image>");
  set_member(processor, "num_additional_image_tokens", d.vision.class_token ? 1 : 0);
  set_member(processor, "patch_size", d.vision.patch);
  set_member(processor, "vision_feature_select_strategy", selects_all(d.vision) ? "full" : "default");
  LLAVA_CHECK(try_write_json(to, "processor_config.json", std::move(processor)));
  const bool pads = !is_next && d.image.shape == aspect::pad;
  const bool stretches = !d.vision.class_token && d.image.shape == aspect::stretch;
  json_value::object images = written_image_processor(d.image, is_next     ? "LlavaNextImageProcessor"
                                                               : pads      ? "LlavaImageProcessor"
                                                               : stretches ? "SiglipImageProcessor"
                                                                           : "CLIPImageProcessor");
  if (pads) set_member(images, "do_pad", true);
  if (is_next) set_member(images, canvases_key, written_canvases(d.image.tiling, false));
  LLAVA_CHECK(try_write_json(to, "preprocessor_config.json", std::move(images)));
  const std::string& own = d.conversation.own.text;
  return try_write_text(to.folder() + "/chat_template.jinja",
                        own.empty() ? *written_chat_template(d.conversation.name) : own);
}

/// Adds the norm behind the tower's layers, which makes no features, if the source lacks it: ones and zeros, the values
/// that transformers gives to a new one.
inline result<void> try_add_last_norm(conversion_plan& plan, const checkpoint& from, const types_to_write& types,
                                      const function_ref<std::string(std::string_view)> file_name) {
  const auto width = static_cast<std::size_t>(from.description.vision.hidden);
  for (const auto& [name, value] :
       {std::pair("vision.post_layernorm.weight", 1.f), {"vision.post_layernorm.bias", 0.f}})
    if (!from.tensors.find(name)) LLAVA_CHECK(plan.try_add_filled(file_name(name), width, value, types.main(false)));
  return {};
}

inline result<void> try_write_llava_hf(const checkpoint& from, const std::string& to, const convert_options& o) {
  LLAVA_CHECK(try_confirm_llava_hf(from));
  model_description d = as_stored_tower(from);
  d.text = with_llama3(d.text);
  const auto known = from.tokenizer.find("<image>");
  const auto image_token = known ? *known : static_cast<std::int32_t>(from.tokenizer.size());
  const std::int64_t rows = rows_with_image(d.text.vocab, image_token);
  const tensor_names names = tensor_names::to_write(tensor_spelling::llava_hf);
  const types_to_write types(from);
  conversion_plan plan(o.type);
  result<void> added;
  from.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
    const bool is_table = name == "text.embed_tokens.weight" || name == "text.lm_head.weight";
    if (!added || !belongs_to_model(name, d)) return;
    added = is_table ? plan.try_add_grown(t, names.file_name(name), static_cast<std::size_t>(rows), types(name, t))
                     : plan.try_add(t, names.file_name(name), types(name, t));
  });
  LLAVA_CHECK(std::move(added));
  LLAVA_CHECK(try_add_last_norm(plan, from, types, [&](std::string_view name) { return names.file_name(name); }));

  LLAVA_TRY(made, new_folder::try_make(to));
  LLAVA_CHECK(try_copy_words(made, from, false));
  if (!file_exists(made.folder() + "/tokenizer.json") && file_exists(made.folder() + "/tokenizer.model"))
    LLAVA_CHECK(try_write_tokenizer_json(from, words_folder(from), made.folder() + "/tokenizer.json"));
  const std::string tokenizer_class = d.text_family == "qwen2" ? "Qwen2Tokenizer" : "LlamaTokenizer";
  if (!known) LLAVA_CHECK(try_add_special_token(made.folder(), "<image>", image_token, tokenizer_class));
  LLAVA_CHECK(try_write_json(made, "config.json",
                             written_llava_hf_config(from, d, image_token, static_cast<int>(rows), plan.main_type())));
  LLAVA_CHECK(try_write_processor(made, d));
  LLAVA_CHECK(plan.try_write(made.folder(), from.path, from.tensors, o));
  return made.try_commit();
}

}  // namespace detail

LLAVA_END
