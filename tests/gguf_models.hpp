// SPDX-License-Identifier: Apache-2.0
/// The keys of small GGUF models for tests, complete enough to be described, and changes of single keys.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gguf_bytes.hpp>

namespace gguf_models {

/// A key of a file: adds itself.
using key_adder = std::function<void(gguf_bytes&, const std::string&)>;
using key_map = std::map<std::string, key_adder>;
template <class T>
key_adder value(T v) {
  return [v](gguf_bytes& g, const std::string& name) { g.key(name, v); };
}

inline const std::vector<std::string> pieces{"<unk>",
                                             "<s>",
                                             "</s>",
                                             "a",
                                             "\xe2\x96\x81",
                                             "\xe2\x96\x81"
                                             "a"};

/// A language model with 6 tokens, hidden 8, 2 heads, one layer: as far as it is described.
inline key_map language_keys() {
  return {{"general.architecture", value("llama")},
          {"llama.context_length", value(64u)},
          {"llama.embedding_length", value(8u)},
          {"llama.block_count", value(1u)},
          {"llama.feed_forward_length", value(16u)},
          {"llama.attention.head_count", value(2u)},
          {"llama.attention.layer_norm_rms_epsilon", value(1e-5f)},
          {"tokenizer.ggml.model", value("llama")},
          {"tokenizer.ggml.tokens", value(pieces)},
          {"tokenizer.ggml.scores", value(std::vector<float>{0, 0, 0, -1, -2, -3})},
          {"tokenizer.ggml.token_type", value(std::vector<std::int32_t>{2, 3, 3, 1, 1, 1})}};
}
inline key_map vision_keys() {
  return {{"general.architecture", value("clip")},
          {"clip.has_vision_encoder", value(true)},
          {"clip.vision.image_size", value(28u)},
          {"clip.vision.patch_size", value(14u)},
          {"clip.vision.embedding_length", value(8u)},
          {"clip.vision.feed_forward_length", value(16u)},
          {"clip.vision.attention.head_count", value(2u)},
          {"clip.vision.block_count", value(2u)},
          {"clip.vision.attention.layer_norm_epsilon", value(1e-5f)},
          {"clip.vision.image_mean", value(std::vector<float>{0.5f, 0.5f, 0.5f})},
          {"clip.vision.image_std", value(std::vector<float>{0.5f, 0.5f, 0.5f})}};
}
inline gguf_bytes file_of(const key_map& keys) {
  gguf_bytes g;
  for (const auto& [name, add] : keys)
    if (add) add(g, name);
  return g;
}
inline gguf_bytes& add_f32(gguf_bytes& g, const char* name, const std::vector<std::uint64_t>& extents) {
  std::uint64_t n = 4;
  for (const std::uint64_t e : extents) n *= e;
  return g.tensor(name, extents, 0, std::string(n, '\0'));
}
inline gguf_bytes language(const key_map& keys = language_keys()) {
  gguf_bytes g = file_of(keys);
  return add_f32(g, "token_embd.weight", {8, pieces.size()});
}
inline gguf_bytes vision(const key_map& keys = vision_keys()) {
  gguf_bytes g = file_of(keys);
  add_f32(g, "v.class_embd", {8});
  add_f32(g, "v.pre_ln.weight", {8});
  return add_f32(g, "mm.0.weight", {8, 8});
}
inline key_map with(key_map keys, const std::string& name, key_adder add) {
  keys[name] = std::move(add);
  return keys;
}

}  // namespace gguf_models
