// SPDX-License-Identifier: Apache-2.0
/// weight_quantisation: the quantisation of a folder's weights that config.json states under "quantization_config":
///   bitsandbytes  the tensors themselves say how (bitsandbytes.hpp)
///   gptq          bits 2, 3, 4, 8 · group_size, or −1: one group a row · desc_act
///                 · checkpoint_format (GPTQModel also writes "format"): gptq, whose zeros are stored minus one, or
///                 gptq_v2
///   awq           bits 4 · group_size · version: gemm
/// It may be at the top or in text_config. Other methods and forms are refused by their names. Which weights are
/// quantised, the tensors tell: modules_to_not_convert, lm_head, dynamic, sym and zero_point are not read.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/checkpoint/json.hpp>

LLAVA_BEGIN

enum class quantisation_method : std::uint8_t { none, bitsandbytes, gptq, awq };

/// How gptq_awq.hpp reads weights.
struct weight_quantisation {
  quantisation_method method = quantisation_method::none;
  int bits = 4;
  int group_size = 128;           ///< inputs that share a scale and a zero; −1: all
  bool activation_order = false;  ///< g_idx gives the group of each input
  bool zeros_minus_one = false;   ///< stored zeros are one less, as in GPTQ's first form
};

namespace detail {

/// The key of config.json with the quantisation of the weights.
inline constexpr const char* quantisation_key = "quantization_config";

inline constexpr std::string_view other_quantisation =
    "use the unquantised model, and quantise it with `llava quantize`";

/// Reads a word in lower case, as transformers compares these words.
inline result<void> read_word(const json_object& o, const char* key, std::string& word) {
  LLAVA_CHECK(o.read(key, word));
  for (char& c : word)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  return {};
}

/// Reads the object under "quantization_config" of GPTQ or AWQ.
inline result<void> try_read_groups(const json_object& how, weight_quantisation& q) {
  const bool is_awq = q.method == quantisation_method::awq;
  std::string form = is_awq ? "gemm" : "gptq", words = "int32", packer;
  bool is_marlin = false;
  const char* stated = nullptr;
  for (const char* key : {"checkpoint_format", "format", "version"}) {
    if (!how.has(key) || (!is_awq && key == std::string_view("version"))) continue;
    const std::string before = form;
    LLAVA_CHECK(read_word(how, key, form));
    if (is_awq ? form != "gemm" : form != "gptq" && form != "gptq_v2")
      return how.unsupported(key, form, text_of(is_awq ? "gemm; " : "gptq or gptq_v2; ", other_quantisation));
    if (stated && form != before) return how.unsupported(key, form, text_of(before, ", which \"", stated, "\" is"));
    stated = key;
  }
  LLAVA_CHECK(how.read("is_marlin_format", is_marlin));
  if (is_marlin) return how.unsupported("is_marlin_format", "true", text_of("false; ", other_quantisation));
  LLAVA_CHECK(read_word(how, "pack_dtype", words));
  if (words != "int32") return how.unsupported("pack_dtype", words, text_of("int32; ", other_quantisation));
  LLAVA_CHECK(read_word(how, "backend", packer));
  if (is_awq && packer == "llm-awq")
    return how.unsupported("backend", packer, text_of("autoawq; ", other_quantisation));
  if (!is_awq && !how.has("bits")) return how.wrong("bits", "2, 3, 4 or 8");
  LLAVA_CHECK(how.read("bits", q.bits));
  if (is_awq && q.bits != 4) return how.unsupported("bits", std::to_string(q.bits), "4");
  if (q.bits != 2 && q.bits != 3 && q.bits != 4 && q.bits != 8)
    return how.unsupported("bits", std::to_string(q.bits), "2, 3, 4 or 8");
  LLAVA_CHECK(how.read("group_size", q.group_size));
  if (q.group_size != -1 && q.group_size < 1) return how.wrong("group_size", "-1 or at least 1");
  if (!is_awq) LLAVA_CHECK(how.read("desc_act", q.activation_order));
  q.zeros_minus_one = form == "gptq";
  return {};
}

}  // namespace detail

/// Reads the quantisation that a config.json states; `root` is its object. Errors name the file and the key.
inline result<weight_quantisation> try_read_quantisation(const json_object& root) {
  LLAVA_TRY(text, root.object("text_config"));
  weight_quantisation first;
  for (const json_object* o : {&root, static_cast<const json_object*>(&text)}) {
    LLAVA_TRY(how, o->object(detail::quantisation_key));
    if (!o->has(detail::quantisation_key)) continue;
    std::string method = "an unnamed method";
    LLAVA_CHECK(how.read("quant_method", method));
    weight_quantisation q;
    q.method = method == "bitsandbytes" ? quantisation_method::bitsandbytes
               : method == "gptq"       ? quantisation_method::gptq
               : method == "awq"        ? quantisation_method::awq
                                        : quantisation_method::none;
    if (q.method == quantisation_method::none)
      return o->unsupported(detail::quantisation_key, method,
                            text_of("bitsandbytes, gptq, awq or none; ", detail::other_quantisation));
    if (q.method != quantisation_method::bitsandbytes) LLAVA_CHECK(detail::try_read_groups(how, q));
    if (first.method == quantisation_method::none) first = q;
  }
  return first;
}

LLAVA_END
