// SPDX-License-Identifier: Apache-2.0
/// clip_tower: the vision transformer of CLIP and SigLIP (class vit), from square images to the features that the
/// projector takes. Contract: concept.hpp.
///
///   rgb (S·S·3) -> patches (P, 3·p·p) -> tokens (1 + P, Dv) -> layers_run() of the layers -> features (P, Dv)
///
/// With more_layers the features of several layers stand side by side: (P, k·Dv).
///
/// Several squares are one product in every linear layer; attention stays inside a square, so a square's features do
/// not depend on the others (R14).
///
/// Layer: h += out(attention(LN1 h)); h += fc2(act(fc1(LN2 h))). With select_layer −2 the last layer of the checkpoint
/// is neither run nor read. Follows transformers' CLIPVisionModel and SiglipVisionModel.
#pragma once
#include <cmath>
#include <string>
#include <vector>

#include <llava/base/function_ref.hpp>
#include <llava/base/one_of.hpp>
#include <llava/config.hpp>
#include <llava/nn/affine.hpp>
#include <llava/nn/linear.hpp>
#include <llava/ops/attention.hpp>
#include <llava/ops/patchify.hpp>
#include <llava/ops/rows.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/vision/concept.hpp>

LLAVA_BEGIN

/// The weights of one layer.
template <class B, class F>
struct vit_layer {
  affine<B> norm1, norm2;
  linear<B, F> q, k, v, out, fc1, fc2;

  template <class Visit>
  void each(Visit&& visit, const std::string& name, const vision_config& n) {
    norm1.each(visit, name + "layer_norm1", n.hidden);
    norm2.each(visit, name + "layer_norm2", n.hidden);
    q.each(visit, name + "self_attn.q_proj", n.hidden, n.hidden, true);
    k.each(visit, name + "self_attn.k_proj", n.hidden, n.hidden, true);
    v.each(visit, name + "self_attn.v_proj", n.hidden, n.hidden, true);
    out.each(visit, name + "self_attn.out_proj", n.hidden, n.hidden, true);
    fc1.each(visit, name + "mlp.fc1", n.ffn, n.hidden, true);
    fc2.each(visit, name + "mlp.fc2", n.hidden, n.ffn, true);
  }
};

/// Numbers: fixed<&M::vision> or loaded<vision_config>. Act: an activation, or one_of several.
template <class B, class Numbers, class F, class Act>
class vit {
  using operand = operand_of<B, F>;

 public:
  /// cut(i, patches) writes the patches (P, 3·p·p) of square i.
  using patch_cutter = function_ref<void(std::ptrdiff_t, matrix_view<operand>)>;

  vit(Numbers numbers, Act act) : n_(numbers), act_(act), layers_(static_cast<std::size_t>(numbers->layers_run())) {}

  const vision_config& config() const { return *n_; }

  /// Visits every weight: visit(canonical name, slot, dims).
  template <class Visit>
  void each(Visit&& visit) {
    if (n_->class_token) visit(std::string("vision.embeddings.class_embedding"), class_token_, tensor_dims{n_->hidden});
    visit(std::string("vision.embeddings.patch_embedding.weight"), patches_.w,
          tensor_dims{n_->hidden, 3, n_->patch, n_->patch});
    if (n_->patch_bias)
      visit(std::string("vision.embeddings.patch_embedding.bias"), patches_.bias, tensor_dims{n_->hidden});
    visit(std::string("vision.embeddings.position_embedding.weight"), positions_,
          tensor_dims{n_->tokens(), n_->hidden});
    if (n_->pre_norm) pre_norm_.each(visit, "vision.pre_layrnorm", n_->hidden);
    for (std::size_t i = 0; i < layers_.size(); ++i)
      layers_[i].each(visit, "vision.encoder.layers." + std::to_string(i) + ".", *n_);
  }

  /// Computes the features (n·features(), k·Dv) of n squares. rgb (n·S·S·3) bytes and table (3, 256) are in the
  /// backend's memory. `go_on` is called before every layer. If it returns false, so does forward, and the features are
  /// not all written.
  template <class Q, class GoOn>
  bool forward(Q& q, matrix_view<float> features, vector_view<const std::uint8_t> rgb, matrix_view<const float> table,
               GoOn&& go_on) const {
    const std::ptrdiff_t bytes = std::ptrdiff_t{3} * n_->image * n_->image;  // of a square
    const std::ptrdiff_t squares = rgb.size() < bytes ? 1 : rgb.size() / bytes;
    const auto cut = [&](std::ptrdiff_t i, matrix_view<operand_of<B, F>> patches) {
      const std::ptrdiff_t size = i + 1 < squares ? bytes : rgb.size() - i * bytes;
      const vector_view<const std::uint8_t> square(rgb.data() + i * bytes, dynamic_shape<1>(size));
      patchify(q, patches, square, table, n_->image, n_->patch);
    };
    return forward_patches(q, features, squares, cut, go_on);
  }

  /// The same of squares whose patches `cut` writes.
  template <class Q, class GoOn>
  bool forward_patches(Q& q, matrix_view<float> features, std::ptrdiff_t squares, patch_cutter cut,
                       GoOn&& go_on) const {
    arena_scope scope(q.workspace());
    const std::ptrdiff_t tokens = n_->tokens();
    const matrix_view<float> h = allocate_matrix(q, squares * tokens, n_->hidden);  // (n·(1 + P), Dv)
    for (std::ptrdiff_t i = 0; i < squares; ++i) embed(q, rows_of(h, i * tokens, tokens), i, cut);
    if (n_->pre_norm) pre_norm_.forward(q, h, h, n_->eps);

    int state = 0;
    select(q, features, h, state);
    for (const auto& layer : layers_) {
      if (!go_on()) return false;
      run(q, h, layer);
      select(q, features, h, ++state);
    }
    return true;
  }

 private:
  int first_patch() const { return n_->class_token ? 1 : 0; }

  /// Copies a hidden state h (n·(1 + P), Dv) to the columns of the features that it is selected for.
  template <class Q>
  void select(Q& q, matrix_view<float> features, matrix_view<const float> h, int state) const {
    const std::ptrdiff_t from = n_->select == feature_select::patch ? first_patch() : 0, rows = n_->features();
    for (int s = 0; s < n_->selected(); ++s) {
      if (n_->selected_state(s) != state) continue;
      const matrix_view<float> to = columns_of(features, std::ptrdiff_t{s} * n_->hidden, n_->hidden);
      for (std::ptrdiff_t i = 0; i * n_->tokens() < h.extent(0); ++i)
        copy(q, rows_of(to, i * rows, rows), rows_of(h, i * n_->tokens() + from, rows));
    }
  }

  /// Computes the tokens h (1 + P, Dv) of square i before the first norm.
  template <class Q>
  void embed(Q& q, matrix_view<float> h, std::ptrdiff_t i, patch_cutter cut) const {
    arena_scope scope(q.workspace());
    const matrix_view<operand> patches = allocate_matrix<operand>(q, n_->patches(), n_->patch_values());  // (P, 3·p·p)
    cut(i, patches);
    patches_.forward(q, rows_of(h, first_patch(), n_->patches()), patches);
    if (n_->class_token) copy(q, rows_of(h, 0, 1), class_token_.matrix());
    add(q, h, positions_.matrix());
  }

  template <class Q>
  void run(Q& q, matrix_view<float> h, const vit_layer<B, F>& w) const {
    arena_scope scope(q.workspace());
    const std::ptrdiff_t tokens = h.extent(0), width = h.extent(1), square = n_->tokens();
    const matrix_view<operand> x = allocate_matrix<operand>(q, tokens, width);  // (n·(1 + P), Dv)
    {
      arena_scope attention_scope(q.workspace());
      const matrix_view<float> queries = allocate_matrix(q, tokens, width);
      const matrix_view<float> keys = allocate_matrix(q, tokens, width);
      const matrix_view<float> values = allocate_matrix(q, tokens, width);
      w.norm1.forward(q, x, h, n_->eps);
      w.q.forward(q, queries, x);
      w.k.forward(q, keys, x);
      w.v.forward(q, values, x);
      const attention_parameters how{n_->heads, 1.f / std::sqrt(static_cast<float>(n_->head_dim()))};
      for (std::ptrdiff_t i = 0; i < tokens; i += square)
        attention(q, rows_of(x, i, square), rows_of(queries, i, square), rows_of(keys, i, square),
                  rows_of(values, i, square), how);
      w.out.add_to(q, h, x);
    }
    const matrix_view<operand> inner = allocate_matrix<operand>(q, tokens, n_->ffn);  // (n·(1 + P), ffn)
    w.norm2.forward(q, x, h, n_->eps);
    visit_choice(act_, [&](auto act) { w.fc1.forward(q, inner, x, act); });
    w.fc2.add_to(q, h, inner);
  }

  [[no_unique_address]] Numbers n_;
  [[no_unique_address]] Act act_;
  parameter<B> class_token_;  // (Dv)
  linear<B, F> patches_;      // (Dv, 3·p·p)
  parameter<B> positions_;    // (1 + P, Dv)
  affine<B> pre_norm_;
  std::vector<vit_layer<B, F>> layers_;
};

/// The tower of LLaVA, for `using tower =` in a model.
struct clip_tower {
  template <class B, class Numbers, class F, class Act>
  using stage = vit<B, Numbers, F, Act>;
};

LLAVA_END
