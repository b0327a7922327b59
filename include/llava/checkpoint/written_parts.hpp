// SPDX-License-Identifier: Apache-2.0
/// What a new folder states about a model that not every source states or holds: the types in which a GGUF file's
/// weights are written, and the layers of a tower whose file has no others than those that run.
///
/// GGUF files hold vectors and the tower's embeddings as f32, whatever they were. They get the type of the matrices
/// beside them again if it holds their values exactly. Blocks become f16 unless a type is asked for.
#pragma once
#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/rows_as_f16.hpp>
#include <llava/checkpoint/tensor_names.hpp>

LLAVA_BEGIN

namespace detail {

/// Whether a checkpoint is of GGUF files.
inline bool is_of_gguf(const checkpoint& c) { return !folder_exists(c.path); }

/// Whether the values of a tensor come from ggml's blocks.
inline bool is_of_blocks(const stored_tensor& t) {
  return !t.stored_type.empty() && t.stored_type != name_of(t.type) && is_float(t);
}

/// Whether a type holds all values of a tensor exactly.
inline bool holds_exactly(dtype type, const stored_tensor& t) {
  if (t.dims.empty()) return false;
  std::vector<float> row(static_cast<std::size_t>(t.columns()));
  return t.with_rows(t.columns(), [&](const row_source& rows) {
    for (std::size_t r = 0; r < t.dims[0]; ++r) {
      rows.read(static_cast<std::int64_t>(r), 1, row.data());
      for (const float x : row) {
        const float y = type == dtype::float16 ? to_float(from_float<f16>(x)) : to_float(from_float<bf16>(x));
        if (!(y == x || (std::isnan(x) && std::isnan(y)))) return false;
      }
    }
    return true;
  });
}

/// The types in which the tensors of a checkpoint are written when none is asked for.
class types_to_write {
 public:
  explicit types_to_write(const checkpoint& from) : is_gguf_(is_of_gguf(from)) {
    if (!is_gguf_) return;
    from.tensors.for_each([&](const std::string& name, const stored_tensor& t) {
      if (t.dims.size() < 2 || is_embedding(name) || !is_float(t)) return;
      std::uint64_t bytes = size_of(of_matrix(t));
      for (const std::size_t d : t.dims) bytes *= d;
      bytes_[is_text(name)][static_cast<std::size_t>(index_of(of_matrix(t)))] += bytes;
    });
  }

  /// The type of a tensor with our name `name`.
  dtype operator()(std::string_view name, const stored_tensor& t) const {
    if (!is_gguf_ || !is_float(t)) return t.type;
    if (is_of_blocks(t)) return dtype::float16;
    if (t.type != dtype::float32 || (t.dims.size() > 1 && !is_embedding(name))) return t.type;
    const dtype beside = main(is_text(name));
    return beside != dtype::float32 && holds_exactly(beside, t) ? beside : t.type;
  }
  /// The type of most bytes of the tower and the projector, or of the language model.
  dtype main(bool text) const {
    constexpr dtype types[] = {dtype::float32, dtype::float16, dtype::bfloat16};
    const std::uint64_t* of = bytes_[text];
    return types[std::max_element(of, of + 3) - of];
  }

 private:
  static bool is_text(std::string_view name) { return name.starts_with("text."); }
  static bool is_embedding(std::string_view name) { return name.starts_with("vision.embeddings."); }
  static dtype of_matrix(const stored_tensor& t) { return is_of_blocks(t) ? dtype::float16 : t.type; }
  static int index_of(dtype type) { return type == dtype::float16 ? 1 : type == dtype::bfloat16 ? 2 : 0; }

  bool is_gguf_;
  std::uint64_t bytes_[2][3] = {};  // by is_text and index_of
};

/// The description of a source in which the tower has the layers that are stored and no others: num_hidden_layers of a
/// new config.json. The selected layer is the same.
inline model_description as_stored_tower(const checkpoint& from) {
  model_description d = from.description;
  int stored = 0;
  from.tensors.for_each([&](const std::string& name, const stored_tensor&) {
    stored = (std::max)(stored, number_after(name, "vision.encoder.layers.") + 1);
  });
  vision_config& v = d.vision;
  if (!d.has_vision || v.more_layers.count > 0 || stored >= v.layers || stored < v.layers_run()) return d;
  const int state = v.selected_state(0);
  v.layers = stored;
  v.select_layer = state - (stored + 1);
  return d;
}

}  // namespace detail

LLAVA_END
