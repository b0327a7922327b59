// SPDX-License-Identifier: Apache-2.0
/// The weight formats to benchmark. Each of `formats` is benchmarked in every stage (pipeline/) and against the rival
/// (rival.py, whose table names the rival's formats), each of `product_formats` in matmul.
#pragma once
#include <llava/quant/ggml_formats.hpp>
#include <llava/quant/int8.hpp>
#include <llava/quant/q16_0.hpp>
#include <llava/quant/q4_0.hpp>
#include <llava/quant/q4_i8.hpp>
#include <llava/quant/q8_0.hpp>
#include <string>

#include "harness.hpp"

namespace bench {

/// The arithmetic of products with weights F.
template <class F>
constexpr arithmetic arithmetic_of() {
  if constexpr (llava::format<F>::is_dense)
    return arithmetic::f32;
  else
    return sizeof(llava::activation_code<F>) == 2 ? arithmetic::int16 : arithmetic::int8;
}

/// The name of a format or of a custom policy.
template <class F>
std::string name_of_weights() {
  if constexpr (llava::weight_format<F>)
    return std::string(llava::format<F>::name);
  else
    return std::string(F::name);
}

template <class... F>
struct list {
  /// Calls use.operator()<F>() for each format that --formats selects.
  template <class Use>
  static void each(Use&& use) {
    const auto one = [&]<class G>() {
      const std::string wanted = "," + chosen().formats + ",", name = "," + name_of_weights<G>() + ",";
      if (chosen().formats.empty() || wanted.find(name) != std::string::npos) use.template operator()<G>();
    };
    (one.template operator()<F>(), ...);
  }
};

using formats = list<llava::f32, llava::f16, llava::bf16, llava::q16_0, llava::q8_0, llava::q4_0, llava::q4_i8>;

using product_formats = list<llava::f32, llava::f16, llava::bf16, llava::q16_0, llava::q8_0, llava::q8_0_a16,
                             llava::q4_0, llava::q4_i8, llava::int8, llava::q4_k, llava::q6_k>;

/// @name Policies that stages are also benchmarked with
/// @{
/// All weights in 8 bits.
struct all_q8_0 : llava::weights<llava::q8_0> {
  static constexpr std::string_view name = "all_q8_0";
  using vision = llava::q8_0;
  using projector = llava::q8_0;
  using head = llava::q8_0;
};
/// The vision tower and the projector in 8 bits.
struct q4_i8_and_q8_0 : llava::weights<llava::q4_i8> {
  static constexpr std::string_view name = "q4_i8+q8_0";
  using vision = llava::q8_0;
  using projector = llava::q8_0;
};
/// All weights in 8 bits, activations in 14.
struct all_q8_0_a16 : llava::weights<llava::q8_0_a16> {
  static constexpr std::string_view name = "q8_0_a16";
};
using policies = list<all_q8_0, all_q8_0_a16, q4_i8_and_q8_0>;
/// @}

}  // namespace bench
