// SPDX-License-Identifier: Apache-2.0
/// gptq_awq_tensors: the tensors of files whose linear weights GPTQ (arXiv:2210.17323) or AWQ (arXiv:2306.00978) has
/// quantised, in the forms of auto-gptq, GPTQModel and AutoAWQ. The weight X.weight (N, K) is computed from its parts,
/// which have no other use. Words are i32; G groups of inputs share the scales and the zeros of a row:
///   gptq   X.qweight (K · bits / 32, N) · X.qzeros (G, N · bits / 32) · X.scales (G, N) f16, bf16 or f32
///          · X.g_idx (K) i32, the group of each input; without it, group_size inputs follow each other
///   awq    X.qweight (K, N / 8) · X.qzeros (G, N / 8) · X.scales (G, N)
/// config.json states the bits and the form (quantisation.hpp).
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/gptq_awq_rows.hpp>
#include <llava/checkpoint/quantisation.hpp>
#include <llava/checkpoint/replaced_tensors.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// Files with weights that GPTQ or AWQ has quantised.
class gptq_awq_tensors final : public replaced_tensors {
 public:
  /// Reads the parts of every quantised weight in `files`. Errors name the file and the tensor.
  static result<gptq_awq_tensors> try_read(std::unique_ptr<const tensor_source> files, const weight_quantisation& how) {
    gptq_awq_tensors made(std::move(files), how);
    std::vector<const stored_tensor*> codes, others;
    made.files().for_each([&](const stored_tensor& t) {
      if (t.name.ends_with(codes_mark)) codes.push_back(&t);
      for (const std::string_view mark : {zeros_mark, scales_mark, groups_mark})
        if (t.name.ends_with(mark)) others.push_back(&t);
    });
    for (const stored_tensor* t : codes) LLAVA_CHECK(made.try_add(*t));
    for (const stored_tensor* t : others)
      if (made.find(t->name))
        return bad(*t, text_of("it is no part of a weight of ", made.form(),
                               "; scaled activations (AWQ of MPT) are not read; use the unquantised model"));
    return result<gptq_awq_tensors>(std::move(made));
  }
  /// Whether `files` have such a weight.
  static bool reads(const tensor_source& files) {
    bool found = false;
    files.for_each([&](const stored_tensor& t) { found |= t.name.ends_with(codes_mark); });
    return found;
  }

  /// The form in config.json is part of it, because the values depend on it.
  std::string identity() const override {
    return text_of(replaced_tensors::identity(), form(), " ", how_.group_size, " ", int{how_.zeros_minus_one}, "\n");
  }

 private:
  static constexpr std::string_view codes_mark = ".qweight", zeros_mark = ".qzeros", scales_mark = ".scales",
                                    groups_mark = ".g_idx";

  gptq_awq_tensors(std::unique_ptr<const tensor_source> files, const weight_quantisation& how)
      : replaced_tensors(std::move(files)), how_(how) {}

  static error bad(const stored_tensor& t, std::string_view what) {
    return fail(errc::invalid_format, text_of("llava: ", t.file, ": tensor ", detail::shown(t.name), ": ", what));
  }
  bool is_awq() const { return how_.method == quantisation_method::awq; }
  /// The form's name, for people.
  std::string_view form() const {
    if (is_awq()) return "awq, 4 bits";
    return how_.bits == 2   ? "gptq, 2 bits"
           : how_.bits == 3 ? "gptq, 3 bits"
           : how_.bits == 4 ? "gptq, 4 bits"
                            : "gptq, 8 bits";
  }

  /// The part `name` of a weight with codes `codes`.
  result<const stored_tensor*> try_find(const stored_tensor& codes, const std::string& name) const {
    if (const stored_tensor* t = files().find(name)) return t;
    return bad(codes, text_of(form(), ", but ", detail::shown(name), " is missing"));
  }
  /// Checks that a part has the type and the shape that the codes and config.json ask for.
  result<void> try_confirm(const stored_tensor& t, bool has_type, std::string_view type,
                           const std::vector<std::size_t>& dims) const {
    if (t.rows) return bad(t, "its elements are not contiguous; save it after contiguous()");
    if (has_type && t.unsupported_type.empty() && t.format.empty() && t.dims == dims) return {};
    return bad(t, text_of("expected ", type, " of shape ", detail::text_of_dims(dims, dims.size()), " for ", form(),
                          " and group_size ", how_.group_size, " (config.json), found ",
                          t.unsupported_type.empty() ? name_of(t.type) : t.unsupported_type, " of shape ",
                          detail::text_of_dims(t.dims, t.dims.size())));
  }

  result<void> try_add(const stored_tensor& codes) {
    const std::string layer = codes.name.substr(0, codes.name.size() - codes_mark.size());
    if (how_.method != quantisation_method::gptq && !is_awq())
      return bad(codes, "GPTQ or AWQ packed it, but config.json states neither under \"quantization_config\"");
    if (files().find(layer + ".weight"))
      return bad(codes, text_of(detail::shown(layer + ".weight"), " is there too, expected one of the two"));
    if (codes.type != dtype::int32 || !codes.unsupported_type.empty() || codes.dims.size() != 2 || codes.dims[0] == 0 ||
        codes.dims[1] == 0)
      return bad(codes, "expected a matrix of i32");

    // Sizes are at most 32 times the bytes of the file, so that they do not overflow.
    const std::size_t bits = static_cast<std::size_t>(how_.bits), words = codes.dims[0], across = codes.dims[1];
    const std::size_t rows = is_awq() ? 8 * across : across, columns = is_awq() ? words : words * 32 / bits;
    if (!is_awq() && (words * 32 % bits != 0 || rows * bits % 32 != 0))
      return bad(codes, text_of(words, " x ", across, " words are not whole rows and columns of ", bits, " bits"));
    grouped_code_rows::parts p;
    p.rows = static_cast<std::int64_t>(rows), p.columns = static_cast<std::int64_t>(columns), p.bits = how_.bits;
    p.group = how_.group_size == -1 ? p.columns : how_.group_size;
    p.is_awq = is_awq(), p.zeros_minus_one = how_.zeros_minus_one;
    const auto groups = static_cast<std::size_t>((p.columns - 1) / p.group + 1);

    LLAVA_TRY(scales, try_find(codes, text_of(layer, scales_mark)));
    LLAVA_TRY(zeros, try_find(codes, text_of(layer, zeros_mark)));
    LLAVA_CHECK(try_confirm(*scales, is_floating(scales->type), "f16, bf16 or f32", {groups, rows}));
    LLAVA_CHECK(try_confirm(*zeros, zeros->type == dtype::int32, "i32", {groups, rows * bits / 32}));
    p.type = scales->type, p.codes = codes.bytes.data();
    p.scales = scales->bytes.data(), p.zeros = zeros->bytes.data();
    std::size_t bytes = codes.bytes.size() + scales->bytes.size() + zeros->bytes.size();
    if (!is_awq() && (how_.activation_order || files().find(text_of(layer, groups_mark)))) {
      LLAVA_TRY(order, try_find(codes, text_of(layer, groups_mark)));
      LLAVA_CHECK(try_confirm(*order, order->type == dtype::int32, "i32", {columns}));
      LLAVA_CHECK(try_confirm_groups(*order, groups));
      p.group_of = order->bytes.data();
      bytes += order->bytes.size();
      hide(order->name);
    }
    hide(codes.name), hide(scales->name), hide(zeros->name);
    stored_tensor& made =
        replace(codes, layer + ".weight", p.type, {rows, columns}, std::make_shared<const grouped_code_rows>(p));
    made.packed_as = form(), made.stored_bytes = bytes;
    return {};
  }

  static result<void> try_confirm_groups(const stored_tensor& order, std::size_t groups) {
    for (std::size_t k = 0; k < order.dims[0]; ++k) {
      const auto g = read_number<std::int32_t>(order.bytes.data() + 4 * k);
      if (g < 0 || static_cast<std::size_t>(g) >= groups)
        return bad(order, text_of("element ", k, " is ", g, ", expected a group, 0 … ", groups - 1));
    }
    return {};
  }

  weight_quantisation how_;
};

LLAVA_END
