// SPDX-License-Identifier: Apache-2.0
/// Three models with dimensions fixed at compile time, which use the files' weights in place: f16 and bf16.
#include "golden.hpp"

namespace {

struct clip_mha {
  static constexpr auto vision = llava::with(llava::vision_config{}, [](llava::vision_config& c) {
    c.image = 42, c.patch = 14, c.hidden = 32, c.ffn = 72, c.layers = 3, c.heads = 4;
  });
  static constexpr auto text = llava::with(llava::text_config{}, [](llava::text_config& c) {
    c.vocab = 402, c.hidden = 48, c.ffn = 104, c.layers = 2, c.heads = c.kv_heads = 4, c.head_dim = 12,
    c.context = 1024;
  });
  static constexpr llava::projector_config projection{32, 48, 2, true};
  using tower = llava::clip_tower;
  using projector = llava::mlp_gelu;
  using decoder = llava::llama_decoder;
  using vision_activation = llava::quick_gelu;
  using text_activation = llava::silu;
  using conversation = llava::vicuna_v1;
};

/// Several layers of the tower as features, and Qwen2.
struct clip_layers : clip_mha {
  static constexpr auto vision = llava::with(clip_mha::vision, [](llava::vision_config& c) {
    c.image = 28, c.patch = 7, c.hidden = 8, c.ffn = 12, c.heads = 2, c.more_layers = {2, {0, 2}};
  });
  static constexpr auto text = llava::with(clip_mha::text, [](llava::text_config& c) {
    c.hidden = 16, c.ffn = 24, c.heads = 2, c.kv_heads = 1, c.head_dim = 8, c.qkv_bias = true;
  });
  static constexpr llava::projector_config projection{24, 16, 2, true};
};

struct siglip_last_layer : clip_mha {
  static constexpr auto vision = llava::with(clip_mha::vision, [](llava::vision_config& c) {
    c.image = 36, c.patch = 12, c.eps = 1e-6f, c.class_token = false, c.pre_norm = false, c.patch_bias = true;
    c.select_layer = -1, c.select = llava::feature_select::cls_patch;
  });
  using vision_activation = llava::gelu_tanh;
};

struct original_mpt : clip_mha {
  static constexpr auto vision = llava::with(clip_mha::vision, [](llava::vision_config& c) {
    c.image = 14, c.patch = 7, c.hidden = 16, c.ffn = 24, c.layers = c.heads = 2;
  });
  static constexpr auto text = llava::with(llava::text_config{}, [](llava::text_config& c) {
    c.hidden = 12, c.ffn = 48, c.layers = 2, c.heads = c.kv_heads = 3, c.head_dim = 4, c.alibi = 8.f;
  });
  static constexpr llava::projector_config projection{16, 12, 1, true};
  using projector = llava::linear_projector;
  using decoder = llava::mpt_decoder;
  using text_activation = llava::gelu;
  using conversation = llava::mpt;
};

/// The weights of the file in place, and a KV cache that does not round: everything else is fp32.
template <class F>
struct exact : llava::weights<F> {
  using kv_cache = llava::f32;
};

}  // namespace

TEST_CASE("R15: a fixed model with f16 weights in place and several layers as features matches transformers") {
  golden::check<llava::pipeline<clip_layers, llava::simd, exact<llava::f16>>>("clip_layers");
}

TEST_CASE("R15: a fixed SigLIP model with bf16 weights in place matches transformers") {
  golden::check<llava::pipeline<siglip_last_layer, llava::simd, exact<llava::bf16>>>("siglip_last_layer");
}

TEST_CASE("R15: a fixed MPT model with f16 weights in place matches transformers") {
  golden::check<llava::pipeline<original_mpt, llava::simd, exact<llava::f16>>>("original_mpt");
}
