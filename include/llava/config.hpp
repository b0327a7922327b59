// SPDX-License-Identifier: Apache-2.0
/// The configuration of a model, as plain structs with LLaVA-1.5-7B's values as defaults. It is fixed in a model's
/// `static constexpr` members or loaded from config.json. Both must obey the rules of config_rules.hpp. docs/shapes.md
/// lists the letters of the shapes.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The tokens of the selected layer that are features.
enum class feature_select : std::uint8_t {
  patch,      ///< without the class token (transformers: "default")
  cls_patch,  ///< all tokens (transformers: "full")
};

/// Layers of a vision tower, by their index into the hidden states.
struct layer_list {
  static constexpr int most = 15;
  int count = 0;
  int of[most] = {};  ///< the rest is 0
  friend constexpr bool operator==(const layer_list&, const layer_list&) = default;
};

/// The sides, in pixels and ascending, at which a tower sees an image (S2). The first is the tower's own.
struct scale_list {
  static constexpr int most = 4;
  int count = 0;  ///< 0: the image has the tower's side
  int of[most] = {};
  friend constexpr bool operator==(const scale_list&, const scale_list&) = default;
};

/// A vision transformer of the CLIP family.
struct vision_config {
  int image = 336;           ///< side of the square input, in pixels
  int patch = 14;            ///< side of a patch, in pixels
  int hidden = 1024;         ///< width of a token
  int heads = 16;            ///< attention heads
  int layers = 24;           ///< layers in the checkpoint
  int ffn = 4096;            ///< width of the MLP's inner layer
  float eps = 1e-5f;         ///< epsilon of every LayerNorm
  bool class_token = true;   ///< CLIP has one, SigLIP has none
  bool pre_norm = true;      ///< LayerNorm before the first layer (CLIP)
  bool patch_bias = false;   ///< bias of the patch convolution (SigLIP)
  int select_layer = -2;     ///< index into the hidden states: 0 is the embedding, -1 the output of the last layer
  layer_list more_layers{};  ///< layers whose features stand behind those of select_layer, in the same row
  feature_select select = feature_select::patch;
  scale_list scales{};  ///< S2 (vision/s2.hpp)

  constexpr int input() const { return scales.count > 0 ? scales.of[scales.count - 1] : image; }  // side of a square
  constexpr int grid() const { return image / patch; }       // patches along a side; remaining pixels are ignored
  constexpr int patches() const { return grid() * grid(); }  // P
  constexpr int tokens() const { return patches() + (class_token ? 1 : 0); }  // tokens inside the tower
  constexpr int head_dim() const { return hidden / heads; }
  constexpr int patch_values() const { return 3 * patch * patch; }
  constexpr int selected() const { return 1 + more_layers.count; }  // layers
  /// The hidden state of a selected layer, counted from the embedding.
  constexpr int selected_state(int i) const {
    const int layer = i == 0 ? select_layer : more_layers.of[i - 1];
    return layer < 0 ? layers + 1 + layer : layer;
  }
  /// Number of layers to run for the selected hidden states: 23 of CLIP-L's 24.
  constexpr int layers_run() const {
    int most = 0;
    for (int i = 0; i < selected(); ++i) most = selected_state(i) > most ? selected_state(i) : most;
    return most;
  }
  /// Columns of the features.
  constexpr int feature_width() const {
    const std::int64_t width = std::int64_t{hidden} * selected() * (scales.count > 0 ? scales.count : 1);
    return width < INT32_MAX ? static_cast<int>(width) : INT32_MAX;
  }
  /// Rows of the features of one image, the projector's input.
  constexpr int features() const { return select == feature_select::patch ? patches() : tokens(); }
};

/// Scaling of the rotary embedding's angles for long contexts (llm/rope.hpp).
enum class rope_scaling : std::uint8_t { none, linear, llama3, dynamic, yarn, longrope };

/// A number for each frequency of the rotary embedding (d / 2); the rest is 0.
struct rope_factors {
  float of[256] = {};
  friend constexpr bool operator==(const rope_factors&, const rope_factors&) = default;
};

/// A decoder of the LLaMA family, or MPT.
struct text_config {
  int vocab = 32000;  ///< rows of the embedding table and of the head (V)
  int hidden = 4096;  ///< width of a token (D)
  int layers = 32;
  int heads = 32;      ///< query heads (H)
  int kv_heads = 32;   ///< key and value heads; fewer than heads: grouped-query attention
  int head_dim = 128;  ///< (d)
  int ffn = 11008;     ///< width of the MLP's inner layer
  int context = 4096;  ///< context length of the model, in tokens
  float eps = 1e-5f;   ///< epsilon of every norm
  float rope_theta = 10000.f;
  rope_scaling scaling = rope_scaling::none;
  float rope_factor = 1.f;           ///< linear, llama3, dynamic and yarn
  float rope_low_frequency = 1.f;    ///< llama3: low_freq_factor
  float rope_high_frequency = 4.f;   ///< llama3: high_freq_factor
  int rope_original_context = 8192;  ///< llama3, yarn and longrope: original_max_position_embeddings
  float rope_beta_fast = 32.f;       ///< yarn: frequencies with more turns in the original context are kept
  float rope_beta_slow = 1.f;        ///< yarn: frequencies with fewer turns are divided by rope_factor
  bool rope_truncate = true;         ///< yarn: rounds the bounds between the two to whole frequencies
  float rope_attention = 1.f;        ///< yarn and longrope: factor of the cosines and sines (attention_factor)
  rope_factors rope_short{};         ///< longrope: divisors of the frequencies (short_factor)
  int window = 0;                    ///< sliding attention window in tokens; 0: none
  int full_layers = 0;               ///< number of first layers without the window (Qwen2)
  float alibi = 0.f;                 ///< MPT: the last slope of ALiBi is 2^−alibi (alibi_bias_max); 0: no ALiBi
  bool tied = false;                 ///< the head shares the embedding table
  bool qkv_bias = false;             ///< biases of q, k and v (Qwen2)
  bool o_bias = false;               ///< bias of the attention's output (llama's attention_bias sets both)
  bool mlp_bias = false;
};

/// How an image is resized before the centre crop, the tower's input.
enum class aspect : std::uint8_t {
  pad,      ///< pads it to a square with the mean colour first
  crop,     ///< resizes the shorter side
  stretch,  ///< resizes both sides (SigLIP)
};

/// The resampling filter, with Pillow's values.
enum class resampling : std::uint8_t { lanczos = 1, bilinear = 2, bicubic = 3 };

/// How the image tokens of an image's squares become one sequence (mm_patch_merge_type of LLaVA's config.json).
enum class tile_merge : std::uint8_t {
  flat,     ///< one square after another
  spatial,  ///< the whole image, then the tiles as one map, row by row
  unpad,    ///< the same, without the map's padding and with a newline after each of its rows
  pool,     ///< as spatial, with the largest values of each 2 × 2 block of the map in its place
};

/// "flat", "spatial", "spatial_unpad" or "spatial_maxpool2x2", as in LLaVA's config.json.
constexpr std::string_view name_of(tile_merge m) {
  constexpr std::string_view names[] = {"flat", "spatial", "spatial_unpad", "spatial_maxpool2x2"};
  return names[static_cast<int>(m)];
}

/// How an image comes onto its canvas (image_aspect_ratio of LLaVA's config.json).
enum class canvas_fit : std::uint8_t {
  contain,  ///< whole, centred on black (anyres)
  pad,      ///< padded to a square with the mean colour first, and resized to the canvas (LLaVA-NeXT: highres)
  cover,    ///< its shorter side has the canvas' length; the rest of its longer side is cut off (crop_split)
};

/// A canvas that an image is fitted to, in pixels.
struct canvas_size {
  int width = 0, height = 0;
  friend constexpr bool operator==(const canvas_size&, const canvas_size&) = default;
};

/// Any resolution (LLaVA-1.6): an image is fitted to the best of several canvases, which is cut into tiles of the
/// tower's side. The squares that the tower sees are the whole image, stretched, and the tiles. With `unpad`, a map of
/// more than 1.21 times the tokens of `shrinks_to` squares is shrunk to about as many (LLaVA-NeXT: "anyres_max_9").
struct tiling_config {
  static constexpr int most_canvases = 64;
  static constexpr int most_tiles = 256;  ///< of one canvas

  canvas_size canvases[most_canvases] = {};
  int count = 0;  ///< number of canvases; 0: an image is one square
  canvas_fit fit = canvas_fit::contain;
  tile_merge merge = tile_merge::flat;
  int shrinks_to = 0;          ///< in squares; 0: never
  bool whole_image = true;     ///< false: the tiles alone (LLaVA-NeXT: "nobase")
  bool rounds_to_zero = true;  ///< LLaVA cuts the fraction of an unpadded side; false: transformers rounds first

  friend constexpr bool operator==(const tiling_config&, const tiling_config&) = default;
  constexpr bool has_newline() const { return count > 0 && merge == tile_merge::unpad; }
  /// The most rows of which an image token is made.
  constexpr int terms() const { return merge == tile_merge::pool || shrinks_to > 0 ? 4 : 1; }
};

/// Preprocessing of images. The defaults are CLIP's. `crop` must be the tower's vision_config::image.
struct image_config {
  int resize = 336;  ///< shorter side, or both sides when aspect is `stretch`; 0: not resized
  int crop = 336;    ///< side of the centre crop, the tower's input
  aspect shape = aspect::pad;
  resampling filter = resampling::bicubic;
  double mean[3] = {0.48145466, 0.4578275, 0.40821073};  ///< per channel; also the padding colour
  double std[3] = {0.26862954, 0.26130258, 0.27577711};
  double rescale = 1.0 / 255.0;
  bool normalise = true;  ///< false: mean and std are not applied
  int pillow = 13;        ///< the Pillow release whose bytes are reproduced (resize.hpp)
  tiling_config tiling;   ///< with canvases, `shape` has no effect
};

/// How the map of a video frame is pooled (mm_spatial_pool_mode of LLaVA-NeXT-Video's config.json).
enum class spatial_pool : std::uint8_t {
  average,   ///< the mean of each stride × stride block; what remains at the edges is ignored
  max,       ///< its maximum
  bilinear,  ///< resized to sides divided by the stride, rounded up
};

/// The places of newlines among the image tokens of a video (mm_newline_position).
enum class newline_position : std::uint8_t {
  one_token,  ///< at the end of the video
  grid,       ///< at the end of every row of every frame
  frame,      ///< at the end of every frame
  no_token,   ///< nowhere
};

/// Video (LLaVA-NeXT-Video): every frame is one square, whose map is pooled.
struct video_config {
  int pool_stride = 2;  ///< mm_spatial_pool_stride
  spatial_pool pool_mode = spatial_pool::average;
  bool pools_features = false;  ///< transformers pools features; LLaVA-NeXT image tokens, behind the projector
  newline_position newline = newline_position::one_token;
  bool force_sample = false;      ///< frames are sampled uniformly even if a second has fewer than one
  bool time_instruction = false;  ///< add_time_instruction: the prompt states the times of the frames
};

/// The projector from image features to tokens of the language model.
struct projector_config {
  int vision_hidden = 1024;  ///< input width
  int hidden = 4096;         ///< output width
  int depth = 2;             ///< linear layers: mlpNx_gelu has N
  bool bias = true;
  int blocks = 0;  ///< residual blocks behind the layers: mlpNx_resMx_gelu has M
};

/// Returns a copy of `config` with changes: `with(base, [](auto& c) { c.kv_heads = 8; })`, also in constant
/// expressions.
template <class C, class F>
constexpr C with(C config, F change) {
  change(config);
  return config;
}

/// A configuration known at compile time. An invalid model does not compile, and models that inherit a member share its
/// instantiations, because the type names the member. (Config is a pointer because nvcc 13 rejects a reference.)
template <auto* Config>
struct fixed {
  static constexpr bool is_fixed = true;
  constexpr auto operator->() const { return Config; }
  constexpr const auto& operator*() const { return *Config; }
};

/// A configuration read from a file.
template <class Config>
struct loaded {
  static constexpr bool is_fixed = false;
  Config config;
  constexpr const Config* operator->() const { return &config; }
  constexpr const Config& operator*() const { return config; }
};

LLAVA_END
