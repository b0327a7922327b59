// SPDX-License-Identifier: Apache-2.0
/// bitsandbytes_tensors: the tensors of files whose linear weights bitsandbytes has quantised. A weight keeps its name
/// and its shape; its values are computed from its parts, which have no other use:
///   4 bits   W u8, codes of two elements a byte · W.absmax u8 or f32, W.quant_map f32 (16)
///            · doubly quantised: W.nested_absmax f32, W.nested_quant_map f32 (256)
///            · W.quant_state.bitsandbytes__nf4 or __fp4: JSON as bytes {quant_type, blocksize, shape, dtype; doubly
///            quantised: nested_blocksize, nested_offset}
///   8 bits   W i8 · SCB f32, the largest absolute value of each row · weight_format u8: 0, rows; beside W
/// Weights that are doubly quantised nf4 in blocks of 64, bitsandbytes' default, keep their codes and scales in format
/// nf4, those of 8 bits their codes in format int8.
#pragma once
#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/bitsandbytes_rows.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/replaced_tensors.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// Files with weights that bitsandbytes has quantised.
class bitsandbytes_tensors final : public replaced_tensors {
 public:
  /// Reads the parts of every quantised weight in `files`. Errors name the file and the tensor.
  static result<bitsandbytes_tensors> try_read(std::unique_ptr<const tensor_source> files) {
    bitsandbytes_tensors made(std::move(files));
    std::vector<const stored_tensor*> states, scales;
    made.files().for_each([&](const stored_tensor& t) {
      if (t.name.find(state_mark) != std::string::npos) states.push_back(&t);
      if (t.name.ends_with(scale_mark)) scales.push_back(&t);
    });
    for (const stored_tensor* t : states) LLAVA_CHECK(made.try_add_4bit(*t));
    for (const stored_tensor* t : scales) LLAVA_CHECK(made.try_add_8bit(*t));
    return result<bitsandbytes_tensors>(std::move(made));
  }
  /// Whether `files` have such a weight.
  static bool reads(const tensor_source& files) {
    bool found = false;
    files.for_each([&](const stored_tensor& t) {
      found |= t.name.find(state_mark) != std::string::npos || t.name.ends_with(scale_mark);
    });
    return found;
  }

 private:
  static constexpr std::string_view state_mark = ".quant_state.bitsandbytes__", scale_mark = ".SCB";

  explicit bitsandbytes_tensors(std::unique_ptr<const tensor_source> files) : replaced_tensors(std::move(files)) {}

  static error bad(const stored_tensor& t, std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", t.file, ": tensor ", detail::shown(t.name), ": ", what));
  }

  /// The part of `weight` with this name, which holds `count` elements of a type. It is hidden from then on.
  result<std::span<const std::byte>> try_part(const stored_tensor& weight, const std::string& name, dtype type,
                                              std::size_t count) {
    const stored_tensor* t = files().find(name);
    if (!t) return bad(weight, text_of("bitsandbytes quantised it, but ", detail::shown(name), " is missing"));
    if (t->type != type || !t->unsupported_type.empty() || t->bytes.size() != count * size_of(type))
      return bad(*t, text_of("expected ", count, " elements of ", name_of(type), ", found ",
                             t->bytes.size() / size_of(t->type), " of ",
                             t->unsupported_type.empty() ? name_of(t->type) : t->unsupported_type));
    hide(name);
    return t->bytes;
  }
  result<void> try_add_4bit(const stored_tensor& state) {
    const std::string name = state.name.substr(0, state.name.find(state_mark));
    const stored_tensor* weight = files().find(name);
    if (!weight) return bad(state, text_of("the weight ", detail::shown(name), " is missing"));
    if (state.type != dtype::uint8 || !state.unsupported_type.empty()) return bad(state, "expected bytes of JSON");
    const std::string where = text_of(state.file, ": tensor ", state.name);
    const std::string_view text(reinterpret_cast<const char*>(state.bytes.data()), state.bytes.size());
    LLAVA_TRY(json, try_parse_json(where, text));
    if (!json.is_object()) return bad(state, "expected a JSON object");
    const json_object o(where, {}, &json);

    std::string kind, type = "float16";
    int block = 0, scales_per_scale = 256;
    double mean = 0;
    LLAVA_CHECK(o.read("quant_type", kind));
    LLAVA_CHECK(o.read("blocksize", block));
    LLAVA_CHECK(o.read("dtype", type));
    LLAVA_CHECK(o.read("nested_blocksize", scales_per_scale));
    LLAVA_CHECK(o.read("nested_offset", mean));
    if (kind != "nf4" && kind != "fp4") return o.unsupported("quant_type", kind, "nf4 or fp4");
    const bool is_f32 = type == "float32", is_bf16 = type == "bfloat16";
    if (!is_f32 && !is_bf16 && type != "float16") return o.unsupported("dtype", type, "float16, bfloat16 or float32");
    if (block < 1 || block > 65536) return o.wrong("blocksize", "1 … 65536");
    if (scales_per_scale < 1 || scales_per_scale > 65536) return o.wrong("nested_blocksize", "1 … 65536");
    const json_value* shape = o.find("shape");
    if (!shape || shape->items().size() != 2) return o.wrong("shape", "the two sizes of a matrix");
    const auto extent = [&](std::size_t i) { return shape->items()[i].integer().value_or(0); };
    const std::int64_t rows = extent(0), columns = extent(1);
    const std::int64_t held = 2 * static_cast<std::int64_t>(weight->bytes.size());
    if (rows < 1 || columns < 1 || rows > held / columns || held - rows * columns > 1)
      return bad(*weight, text_of("its ", held / 2, " bytes are not ", rows, " x ", columns, " codes of 4 bits"));

    four_bit_rows::parts p;
    const std::int64_t blocks = (rows * columns + block - 1) / block;
    const auto count = static_cast<std::size_t>(blocks);
    p.rows = rows, p.columns = columns, p.block = block, p.scales_per_scale = scales_per_scale;
    p.type = is_f32 ? dtype::float32 : is_bf16 ? dtype::bfloat16 : dtype::float16;
    p.mean = static_cast<float>(mean), p.is_nf4 = kind == "nf4", p.codes = weight->bytes.data();
    LLAVA_TRY(book, try_part(*weight, name + ".quant_map", dtype::float32, 16));
    std::memcpy(p.book.data(), book.data(), book.size());
    const bool is_nested = files().find(name + ".nested_absmax") != nullptr;
    LLAVA_TRY(scales, try_part(*weight, name + ".absmax", is_nested ? dtype::uint8 : dtype::float32, count));
    p.scales = scales.data();
    if (is_nested) {
      const auto outer_count = static_cast<std::size_t>((blocks + scales_per_scale - 1) / scales_per_scale);
      LLAVA_TRY(outer, try_part(*weight, name + ".nested_absmax", dtype::float32, outer_count));
      LLAVA_TRY(map, try_part(*weight, name + ".nested_quant_map", dtype::float32, 256));
      p.outer = outer.data(), p.map = map.data();
    }
    hide(state.name);
    replace(*weight, weight->name, p.type, {static_cast<std::size_t>(rows), static_cast<std::size_t>(columns)},
            std::make_shared<const four_bit_rows>(p));
    return {};
  }

  result<void> try_add_8bit(const stored_tensor& scales) {
    const std::string layer = scales.name.substr(0, scales.name.size() - scale_mark.size());
    const stored_tensor* weight = files().find(layer + ".weight");
    if (!weight) return bad(scales, text_of("the weight ", detail::shown(layer + ".weight"), " is missing"));
    if (weight->type != dtype::int8 || !weight->unsupported_type.empty() || weight->dims.size() != 2)
      return bad(*weight, "expected a matrix of i8");
    LLAVA_TRY(found, try_part(*weight, scales.name, dtype::float32, weight->dims[0]));
    if (const stored_tensor* format = files().find(layer + ".weight_format")) {
      LLAVA_TRY(value, try_part(*weight, format->name, dtype::uint8, 1));
      if (value[0] != std::byte{0}) return bad(*format, "expected 0, rows; save the model with a newer bitsandbytes");
    }
    replace(*weight, weight->name, dtype::float16, weight->dims,
            std::make_shared<const eight_bit_rows>(weight->bytes.data(), found.data(),
                                                   static_cast<std::int64_t>(weight->dims[1])));
    return {};
  }
};

LLAVA_END
