// SPDX-License-Identifier: Apache-2.0
/// What the tests of conversions share: opened models, their tensors, and descriptions that must be equal.
#pragma once
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/convert.hpp>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include <llava_catch.hpp>

namespace conversions {

using namespace llava;

inline checkpoint opened(const std::string& folder, const std::string& base = {}) {
  auto c = try_open_checkpoint(folder, base);
  if (!c) FAIL(c.error().what());
  return *std::move(c);
}
inline void convert(const checkpoint& from, const std::string& to, checkpoint_layout layout,
                    const convert_options& o = {}) {
  const auto done = try_convert(from, to, layout, o);
  if (!done) FAIL(done.error().what());
}
/// The sentence of a conversion's error; empty: none.
inline std::string error_of(const checkpoint& from, const std::string& to, checkpoint_layout layout,
                            const convert_options& o = {}) {
  const auto done = try_convert(from, to, layout, o);
  return done ? std::string() : done.error().sentence();
}
/// The tensors of a model, by our names.
inline std::map<std::string, const stored_tensor*> tensors_of(const checkpoint& c) {
  std::map<std::string, const stored_tensor*> all;
  c.tensors.for_each([&](const std::string& name, const stored_tensor& t) { all[name] = &t; });
  return all;
}
std::map<std::string, const stored_tensor*> tensors_of(checkpoint&&) = delete;  // they would not outlive it
inline std::vector<float> values_of(const stored_tensor& t) {
  const auto rows = static_cast<std::int64_t>(t.dims[0]);
  std::vector<float> values(static_cast<std::size_t>(rows * t.columns()));
  t.with_rows(t.columns(), [&](const row_source& from) { from.read(0, rows, values.data()); });
  return values;
}
inline void check_equal_descriptions(const model_description& a, const model_description& b) {
  CHECK(a.text_family == b.text_family);
  CHECK(a.text_activation == b.text_activation);
  CHECK(a.vision_activation == b.vision_activation);
  CHECK(a.projector_type == b.projector_type);
  CHECK(a.projector.depth == b.projector.depth);
  const text_config &t = a.text, &u = b.text;
  CHECK((t.vocab == u.vocab && t.hidden == u.hidden && t.layers == u.layers && t.heads == u.heads));
  CHECK((t.kv_heads == u.kv_heads && t.head_dim == u.head_dim && t.ffn == u.ffn && t.context == u.context));
  CHECK((t.eps == u.eps && t.rope_theta == u.rope_theta && t.scaling == u.scaling && t.rope_factor == u.rope_factor));
  CHECK((t.window == u.window && t.full_layers == u.full_layers && t.tied == u.tied));
  CHECK((t.qkv_bias == u.qkv_bias && t.o_bias == u.o_bias && t.mlp_bias == u.mlp_bias));
  const vision_config &v = a.vision, &w = b.vision;
  CHECK((v.image == w.image && v.patch == w.patch && v.hidden == w.hidden && v.heads == w.heads));
  CHECK((v.layers == w.layers && v.ffn == w.ffn && v.eps == w.eps && v.select_layer == w.select_layer));
  CHECK((v.class_token == w.class_token && v.pre_norm == w.pre_norm && v.patch_bias == w.patch_bias));
  if (v.class_token) CHECK(v.select == w.select);
  const image_config &i = a.image, &j = b.image;
  CHECK((i.resize == j.resize && i.crop == j.crop && i.filter == j.filter && i.rescale == j.rescale));
  CHECK((std::equal(i.mean, i.mean + 3, j.mean) && std::equal(i.std, i.std + 3, j.std) && i.normalise == j.normalise));
  CHECK((i.tiling.count == j.tiling.count && i.tiling.merge == j.tiling.merge));
  CHECK(std::equal(i.tiling.canvases, i.tiling.canvases + i.tiling.count, j.tiling.canvases));
  if (i.tiling.count == 0) CHECK(i.shape == j.shape);
  CHECK(a.bos == b.bos);
  CHECK(a.eos == b.eos);
}
/// Compares the ids of some texts and of all pairs of a token and its mirror image; `texts_too`: and the ids' texts.
inline void check_equal_tokenizers(const tokenizer& a, const tokenizer& b, bool texts_too = true) {
  CHECK((a.size() == b.size() && a.bos() == b.bos() && a.pad() == b.pad()));
  std::vector<std::string> texts{"a</s>USER: <image>\nWhat?  ASSISTANT:",
                                 "<|im_start|>user\n12345 I'm<|im_end|>",
                                 "\t\r\n",
                                 "<s>x",
                                 "\xff\xfe",
                                 "e\u0301 ünï 🦙",
                                 "a<image>b<pad>c"};
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(a.size()); ++id) {
    CHECK(a.piece(id) == b.piece(id));
    CHECK(a.is_special(id) == b.is_special(id));
    texts.push_back(a.piece(id) + " " + a.piece(static_cast<std::int32_t>(a.size()) - 1 - id));
  }
  std::size_t different = 0;
  for (const std::string& text : texts) {
    const std::vector<std::int32_t> ids = a.encode(text);
    different += ids != b.encode(text);
    if (texts_too) different += a.decode(ids) != b.decode(ids) || a.decode(ids, false) != b.decode(ids, false);
  }
  CHECK(different == 0);
}

}  // namespace conversions
