// SPDX-License-Identifier: Apache-2.0
/// The numbers of a model, as plain structs with LLaVA-1.5-7B's values as defaults, and every rule they must obey.
///
/// A fixed model has them as `static constexpr` members, a loaded one reads them from config.json; the same rules hold
/// for both: `first_broken_rule(config)` is the sentence of a static_assert in one case and of an error in the other.
/// Letters of the shapes: docs/shapes.md.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// Which tokens of the selected layer are features.
enum class feature_select : std::uint8_t {
  patch,      ///< without the class token (transformers: "default")
  cls_patch,  ///< all tokens (transformers: "full")
};

/// A vision transformer of the CLIP family.
struct vision_config {
  int image = 336;          ///< side of the square input, in pixels
  int patch = 14;           ///< side of a patch, in pixels
  int hidden = 1024;        ///< width of a token
  int heads = 16;           ///< attention heads
  int layers = 24;          ///< layers that the checkpoint holds
  int ffn = 4096;           ///< width of the MLP's inner layer
  float eps = 1e-5f;        ///< of every LayerNorm
  bool class_token = true;  ///< CLIP has one, SigLIP has none
  bool pre_norm = true;     ///< LayerNorm before the first layer (CLIP)
  bool patch_bias = false;  ///< bias of the patch convolution (SigLIP)
  int select_layer = -2;    ///< index into the hidden states: 0 is the embedding, -1 the output of the last layer
  feature_select select = feature_select::patch;

  constexpr int grid() const { return image / patch; }  // patches along a side; pixels beyond the last one are not seen
  constexpr int patches() const { return grid() * grid(); }                   // P
  constexpr int tokens() const { return patches() + (class_token ? 1 : 0); }  // tokens inside the tower
  constexpr int head_dim() const { return hidden / heads; }
  constexpr int patch_values() const { return 3 * patch * patch; }
  /// Layers to run so that the hidden state `select_layer` exists: 23 of CLIP-L's 24.
  constexpr int layers_run() const { return select_layer < 0 ? layers + 1 + select_layer : select_layer; }
  /// Rows of the features: what one picture gives to the projector.
  constexpr int features() const { return select == feature_select::patch ? patches() : tokens(); }
};

/// How angles of the rotary embedding are stretched for long contexts.
enum class rope_scaling : std::uint8_t { none, linear, llama3 };

/// A decoder of the LLaMA family.
struct text_config {
  int vocab = 32000;  ///< rows of the embedding table and of the head (V)
  int hidden = 4096;  ///< width of a token (D)
  int layers = 32;
  int heads = 32;      ///< query heads (H)
  int kv_heads = 32;   ///< key and value heads; fewer than heads: grouped-query attention
  int head_dim = 128;  ///< (d)
  int ffn = 11008;     ///< width of the gated MLP
  int context = 4096;  ///< positions the model was made for
  float eps = 1e-5f;   ///< of every RMSNorm
  float rope_theta = 10000.f;
  rope_scaling scaling = rope_scaling::none;
  float rope_factor = 1.f;           ///< linear and llama3
  float rope_low_frequency = 1.f;    ///< llama3: low_freq_factor
  float rope_high_frequency = 4.f;   ///< llama3: high_freq_factor
  int rope_original_context = 8192;  ///< llama3: original_max_position_embeddings
  int window = 0;                    ///< sliding attention window in tokens; 0: none
  int full_layers = 0;               ///< the first layers, which see everything beside a window (Qwen2)
  bool tied = false;                 ///< the head is the embedding table
  bool qkv_bias = false;             ///< biases of q, k and v (Qwen2)
  bool o_bias = false;               ///< bias of the attention's output (llama's attention_bias sets both)
  bool mlp_bias = false;
};

/// What is resized on the way to the square that the tower sees; its centre is then cut out.
enum class aspect : std::uint8_t {
  pad,      ///< a square with the mean colour beside the picture
  crop,     ///< the picture, its shorter side to the size
  stretch,  ///< the picture, both sides to the size (SigLIP)
};

/// How a picture is resized: the number that Pillow gives a filter.
enum class resampling : std::uint8_t { lanczos = 1, bilinear = 2, bicubic = 3 };

/// Preprocessing of pictures. Defaults are CLIP's; `image` sides come from here, not from the tower.
struct image_config {
  int resize = 336;  ///< shorter side, or both sides when aspect is `stretch`; 0: as large as it is
  int crop = 336;    ///< side of the centre crop: what the tower sees
  aspect shape = aspect::pad;
  resampling filter = resampling::bicubic;
  double mean[3] = {0.48145466, 0.4578275, 0.40821073};  ///< of the colour beside a picture, too
  double std[3] = {0.26862954, 0.26130258, 0.27577711};
  double rescale = 1.0 / 255.0;
  bool normalise = true;  ///< false: the numbers are neither shifted nor scaled by mean and std
  int pillow = 13;        ///< the release of Pillow whose bytes are wanted: resize.hpp
};

/// How image features become tokens of the language model.
struct projector_config {
  int vision_hidden = 1024;  ///< input width
  int hidden = 4096;         ///< output width
  int depth = 2;             ///< linear layers: mlpNx_gelu has N
  bool bias = true;
};

/// A copy of `config` with changes: `with(base, [](auto& c) { c.kv_heads = 8; })`, also in constant expressions.
template <class C, class F>
constexpr C with(C config, F change) {
  change(config);
  return config;
}

namespace rules {
LLAVA_RULE(vision_image, vision_config, "llava: vision.image must be between 1 and 16384 pixels",
           c.image > 0 && c.image <= 16384);
LLAVA_RULE(vision_patch, vision_config, "llava: vision.patch must be between 1 and vision.image pixels",
           c.patch > 0 && c.patch <= c.image);
LLAVA_RULE(vision_hidden, vision_config, "llava: vision.hidden must be between 1 and 65536",
           c.hidden > 0 && c.hidden <= 65536);
LLAVA_RULE(vision_heads, vision_config, "llava: vision.hidden must be a multiple of vision.heads, at most 512 times it",
           c.heads > 0 && c.hidden % c.heads == 0 && c.hidden / c.heads <= 512);
LLAVA_RULE(vision_layers, vision_config, "llava: vision.layers must be between 1 and 1024",
           c.layers > 0 && c.layers <= 1024);
LLAVA_RULE(vision_ffn, vision_config, "llava: vision.ffn must be between 1 and 1048576", c.ffn > 0 && c.ffn <= 1048576);
LLAVA_RULE(vision_eps, vision_config, "llava: vision.eps must lie between 0 and 1", c.eps > 0.f && c.eps < 1.f);
LLAVA_RULE(vision_select_layer, vision_config, "llava: vision.select_layer must name a hidden state of the tower",
           c.select_layer >= -1 - c.layers && c.select_layer <= c.layers);

LLAVA_RULE(text_vocab, text_config, "llava: text.vocab must be between 1 and 16777216",
           c.vocab > 0 && c.vocab <= 16777216);
LLAVA_RULE(text_hidden, text_config, "llava: text.hidden must be between 1 and 131072",
           c.hidden > 0 && c.hidden <= 131072);
LLAVA_RULE(text_layers, text_config, "llava: text.layers must be between 1 and 1024", c.layers > 0 && c.layers <= 1024);
LLAVA_RULE(text_heads, text_config, "llava: text.heads must be between 1 and 4096", c.heads > 0 && c.heads <= 4096);
LLAVA_RULE(text_kv_heads, text_config,
           "llava: text.heads must be a multiple of text.kv_heads (grouped-query attention)",
           c.kv_heads > 0 && c.heads % c.kv_heads == 0);
LLAVA_RULE(text_head_dim, text_config,
           "llava: text.head_dim must be even and at most 512 (rotary embedding turns pairs)",
           c.head_dim > 0 && c.head_dim % 2 == 0 && c.head_dim <= 512);
LLAVA_RULE(text_ffn, text_config, "llava: text.ffn must be between 1 and 1048576", c.ffn > 0 && c.ffn <= 1048576);
LLAVA_RULE(text_context, text_config, "llava: text.context must be between 1 and 16777216",
           c.context > 0 && c.context <= 16777216);
LLAVA_RULE(text_eps, text_config, "llava: text.eps must lie between 0 and 1", c.eps > 0.f && c.eps < 1.f);
LLAVA_RULE(text_rope_theta, text_config, "llava: text.rope_theta must be between 1 and 1e30",
           c.rope_theta >= 1.f && c.rope_theta <= 1e30f);
LLAVA_RULE(text_rope_factor, text_config, "llava: text.rope_factor must be between 1 and 1e6",
           c.rope_factor >= 1.f && c.rope_factor <= 1e6f);
LLAVA_RULE(text_rope_frequencies, text_config,
           "llava: text.rope_high_frequency must exceed text.rope_low_frequency (llama3 scaling)",
           c.scaling != rope_scaling::llama3 || (c.rope_high_frequency > c.rope_low_frequency &&
                                                 c.rope_low_frequency > 0.f && c.rope_original_context > 0));
LLAVA_RULE(text_window, text_config, "llava: text.window and text.full_layers must not be negative",
           c.window >= 0 && c.full_layers >= 0);

LLAVA_RULE(image_resize, image_config, "llava: image.resize must be between 0 (as it is) and 16384 pixels",
           c.resize >= 0 && c.resize <= 16384);
LLAVA_RULE(image_crop, image_config, "llava: image.crop must be between 1 and 16384 pixels",
           c.crop > 0 && c.crop <= 16384);
LLAVA_RULE(image_std, image_config, "llava: image.std must be positive", c.std[0] > 0 && c.std[1] > 0 && c.std[2] > 0);
LLAVA_RULE(image_filter, image_config, "llava: image.filter must be lanczos, bilinear or bicubic",
           c.filter == resampling::lanczos || c.filter == resampling::bilinear || c.filter == resampling::bicubic);

LLAVA_RULE(projector_widths, projector_config, "llava: the projector's widths must be between 1 and 131072",
           c.vision_hidden > 0 && c.vision_hidden <= 131072 && c.hidden > 0 && c.hidden <= 131072);
LLAVA_RULE(projector_depth, projector_config, "llava: projector.depth must be between 1 and 16 (mlpNx_gelu)",
           c.depth >= 1 && c.depth <= 16);

/// Rules, in the order in which they are told.
template <class... Rules>
struct list {
  /// The sentence of the first rule that c breaks.
  template <class Config>
  static constexpr std::string_view first_broken(const Config& c) {
    std::string_view sentence;
    static_cast<void>(((Rules::holds(c) ? true : (sentence = Rules::sentence, false)) && ...));
    return sentence;
  }
};
using of_vision = list<vision_image, vision_patch, vision_hidden, vision_heads, vision_layers, vision_ffn, vision_eps,
                       vision_select_layer>;
using of_text = list<text_vocab, text_hidden, text_layers, text_heads, text_kv_heads, text_head_dim, text_ffn,
                     text_context, text_eps, text_rope_theta, text_rope_factor, text_rope_frequencies, text_window>;
using of_image = list<image_resize, image_crop, image_std, image_filter>;
using of_projector = list<projector_widths, projector_depth>;

/// A static_assert for the first rule that *C breaks, and for no other.
template <auto* C, class First, class... Rest>
constexpr bool require(list<First, Rest...>) {
  if constexpr (!First::holds(*C))
    return First::template require<C>();
  else if constexpr (sizeof...(Rest) > 0)
    return require<C>(list<Rest...>{});
  else
    return true;
}
}  // namespace rules

/// @name Rules
/// The sentence of the first rule that `config` breaks; empty when it is sound.
/// @{

/// Of the vision tower.
constexpr std::string_view first_broken_rule(const vision_config& c) { return rules::of_vision::first_broken(c); }
/// Of the language model.
constexpr std::string_view first_broken_rule(const text_config& c) { return rules::of_text::first_broken(c); }
/// Of preprocessing.
constexpr std::string_view first_broken_rule(const image_config& c) { return rules::of_image::first_broken(c); }
/// Of the projector.
constexpr std::string_view first_broken_rule(const projector_config& c) { return rules::of_projector::first_broken(c); }
/// @}

/// @name Fields
/// visit(name, pointer to member) for every number that a fixed model states and its files must confirm. The size of
/// the vocabulary and of the context are not among them: uploads of one model differ in padding, so both come from the
/// files.
/// @{

/// Of the vision tower.
template <class Visit>
constexpr void each_field(const vision_config*, Visit&& visit) {
  using c = vision_config;
  visit("vision.image", &c::image), visit("vision.patch", &c::patch), visit("vision.hidden", &c::hidden);
  visit("vision.heads", &c::heads), visit("vision.layers", &c::layers), visit("vision.ffn", &c::ffn);
  visit("vision.eps", &c::eps), visit("vision.class_token", &c::class_token), visit("vision.pre_norm", &c::pre_norm);
  visit("vision.patch_bias", &c::patch_bias);
  visit("vision.select_layer", &c::select_layer), visit("vision.select", &c::select);
}
/// Of the language model.
template <class Visit>
constexpr void each_field(const text_config*, Visit&& visit) {
  using c = text_config;
  visit("text.hidden", &c::hidden), visit("text.layers", &c::layers), visit("text.heads", &c::heads);
  visit("text.kv_heads", &c::kv_heads), visit("text.head_dim", &c::head_dim), visit("text.ffn", &c::ffn);
  visit("text.eps", &c::eps), visit("text.rope_theta", &c::rope_theta), visit("text.scaling", &c::scaling);
  visit("text.rope_factor", &c::rope_factor), visit("text.rope_low_frequency", &c::rope_low_frequency);
  visit("text.rope_high_frequency", &c::rope_high_frequency);
  visit("text.rope_original_context", &c::rope_original_context), visit("text.window", &c::window);
  visit("text.full_layers", &c::full_layers);
  visit("text.tied", &c::tied), visit("text.qkv_bias", &c::qkv_bias), visit("text.o_bias", &c::o_bias);
  visit("text.mlp_bias", &c::mlp_bias);
}
/// Of the projector.
template <class Visit>
constexpr void each_field(const projector_config*, Visit&& visit) {
  using c = projector_config;
  visit("projector.vision_hidden", &c::vision_hidden), visit("projector.hidden", &c::hidden);
  visit("projector.depth", &c::depth), visit("projector.bias", &c::bias);
}
/// @}

/// Numbers known to the compiler: an empty class that points at a static member, so that models which inherit a member
/// share the code made from it. (A pointer: nvcc 13 rejects a dependent reference argument.)
template <auto* Config>
struct fixed {
  static constexpr bool is_fixed = true;
  constexpr auto operator->() const { return Config; }
  constexpr const auto& operator*() const { return *Config; }
};

/// Numbers read from a file.
template <class Config>
struct loaded {
  static constexpr bool is_fixed = false;
  Config config;
  constexpr const Config* operator->() const { return &config; }
  constexpr const Config& operator*() const { return config; }
};

LLAVA_END
