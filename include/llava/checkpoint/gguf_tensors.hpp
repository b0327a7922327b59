// SPDX-License-Identifier: Apache-2.0
/// gguf_tensors: the tensors of a language model and its mmproj under the original layout's names, with its rows.
///
/// In files of the architecture `llama` the rows of q and k are in another order inside each head, because llama.cpp
/// rotates neighbours and the original rotates halves; picked_rows undoes it. A fused attn_qkv is q, k and v, one below
/// the other. Nothing is copied: rows are read in their new places.
#pragma once
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <llava/checkpoint/gguf.hpp>
#include <llava/checkpoint/gguf_names.hpp>
#include <llava/checkpoint/gguf_rows.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// The tensors of a model in one or two GGUF files.
class gguf_tensors final : public tensor_source {
 public:
  /// `permuted`: the rows of q and k have llama.cpp's order.
  static result<gguf_tensors> try_make(gguf_file language, std::optional<gguf_file> vision, const text_config& c,
                                       bool permuted) {
    gguf_tensors all;
    result<void> added;
    language.for_each([&](const stored_tensor& t) {
      if (added) added = all.try_add_text(t, c, permuted);
    });
    LLAVA_CHECK(std::move(added));
    if (vision) LLAVA_CHECK(all.try_add_vision(*vision));
    all.language_ = std::make_unique<gguf_file>(std::move(language));
    if (vision) all.vision_ = std::make_unique<gguf_file>(*std::move(vision));
    return result<gguf_tensors>(std::move(all));
  }

  const stored_tensor* find(std::string_view name) const override { return find_in(tensors_, name); }
  void for_each(function_ref<void(const stored_tensor&)> visit) const override {
    for (const auto& [name, t] : tensors_) visit(t);
  }
  std::string identity() const override {
    return language_->identity() + (vision_ ? vision_->identity() : std::string());
  }
  void forget_pages() const override {
    language_->forget_pages();
    if (vision_) vision_->forget_pages();
  }

 private:
  static error unknown(const stored_tensor& t) {
    return fail(errc::unsupported, text_of("llava: ", t.file, " has the tensor ", detail::shown(t.name),
                                           ", which no model of this architecture has"));
  }
  result<void> try_add(std::string name, stored_tensor t) {
    const std::string own = t.name;
    t.name = name;
    if (tensors_.emplace(std::move(name), t).second) return {};
    return fail(errc::invalid_format,
                text_of("llava: ", t.file, ": the tensor ", detail::shown(own), " is a second ", t.name));
  }

  result<void> try_add_text(const stored_tensor& t, const text_config& c, bool permuted) {
    if (detail::is_constant(t.name)) return {};
    const detail::block_name block(t.name, "blk.");
    const std::int64_t queries = std::int64_t{c.heads} * c.head_dim, keys = std::int64_t{c.kv_heads} * c.head_dim;
    const std::int64_t head = permuted ? c.head_dim : 0;
    if (block.part == "attn_qkv") {
      if (t.dims.empty() || t.dims[0] != static_cast<std::size_t>(queries + 2 * keys))
        return fail(errc::mismatch, text_of("llava: ", t.file, ": tensor ", detail::shown(t.name), ": expected ",
                                            queries + 2 * keys, " rows, those of q, k and v"));
      const auto name = [&](std::string_view part) {
        return detail::original_text_name(text_of("blk.", block.number, ".", part, block.ending));
      };
      LLAVA_CHECK(try_add(name("attn_q"), with_picked_rows(t, 0, queries, head)));
      LLAVA_CHECK(try_add(name("attn_k"), with_picked_rows(t, queries, keys, head)));
      return try_add(name("attn_v"), with_picked_rows(t, queries + keys, keys, 0));
    }
    std::string name = detail::original_text_name(t.name);
    if (name.empty()) return unknown(t);
    const std::int64_t rows = block.part == "attn_q" ? queries : block.part == "attn_k" ? keys : 0;
    // A tensor of another shape stays as it is; binding the weights reports it.
    if (head > 0 && rows > 0 && !t.dims.empty() && t.dims[0] == static_cast<std::size_t>(rows))
      return try_add(std::move(name), with_picked_rows(t, 0, rows, head));
    return try_add(std::move(name), t);
  }

  /// Rows first … first + count − 1 of a tensor.
  static stored_tensor with_picked_rows(const stored_tensor& t, std::int64_t first, std::int64_t count,
                                        std::int64_t head) {
    if (!t.unsupported_type.empty()) return t;
    stored_tensor picked = t;
    picked.dims[0] = static_cast<std::size_t>(count);
    picked.stored_type = t.rows ? t.stored_type : name_of(t.type);
    picked.stored_bytes = (t.rows ? t.stored_bytes : t.bytes.size()) / t.dims[0] * picked.dims[0];
    picked.rows = std::make_shared<picked_rows>(t, t.columns(), first, head);
    picked.bytes = {};
    return picked;
  }

  result<void> try_add_vision(const gguf_file& file) {
    bool swapped = file.keys().find("clip.has_llava_projector") != nullptr;
    int layers = 0, hidden = 0, inner = 0;
    LLAVA_CHECK(file.keys().read("clip.vision.block_count", layers));
    LLAVA_CHECK(file.keys().read("clip.vision.embedding_length", hidden));
    LLAVA_CHECK(file.keys().read("clip.vision.feed_forward_length", inner));
    // The first layer of the MLP is the one whose rows are as wide as a token. Older converters called it ffn_down.
    if (const stored_tensor* down = file.find("v.blk.0.ffn_down.weight");
        down && !down->dims.empty() && hidden != inner)
      swapped = down->dims.back() == static_cast<std::size_t>(hidden);
    result<void> added;
    file.for_each([&](const stored_tensor& t) {
      if (!added) return;
      const bool in_block = t.name.starts_with("v.blk."), in_projector = t.name.starts_with("mm.");
      std::string name = detail::original_vision_name(t.name, swapped);
      const bool needless = in_block && detail::block_name(t.name, "v.blk.").number >= layers;
      if (name.empty() || needless || (in_projector && !is_of_projector(t.name))) {
        if (in_block || in_projector) added = unknown(t);
        return;  // heads, text towers
      }
      if (t.name == "mm.0.weight" || t.name == "mm.0.bias")
        if (!file.find("mm.2.weight")) name = "model.mm_projector" + t.name.substr(4);
      added = try_add(std::move(name), t);
    });
    return added;
  }
  /// mm.weight, mm.0.weight, mm.2.bias, …
  static bool is_of_projector(std::string_view name) {
    const int number = detail::number_after(name, "mm.");
    return name == "mm.weight" || name == "mm.bias" || (number >= 0 && number % 2 == 0);
  }

  std::unique_ptr<const gguf_file> language_, vision_;
  tensor_map tensors_;
};

LLAVA_END
