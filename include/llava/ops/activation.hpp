// SPDX-License-Identifier: Apache-2.0
/// Activations: y[i] = apply(x[i]), as small types. `apply` is an always-inline template over the element type: one
/// definition serves float, on the host and in CUDA kernels, and the vectors of every instruction set. It has no
/// branches: select() takes their place. Tolerance: NMSE ≤ 1e-7 against double (R15).
///
/// A new activation is a struct like these, in this file or in user code; nothing else changes.
#pragma once
#include <cmath>
#include <concepts>
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/base/one_of.hpp>

LLAVA_BEGIN

/// The functions that an activation may call, for float. A vector type has the same ones in its namespace, where
/// argument-dependent lookup finds them. `using scalar_math::NAME;` comes before a call, or that with a float may be a
/// function of the C library (`abs` of int). Both types also have + − * /, −x, < <= > >= == !=, whose results select()
/// takes, and && || ! of these results. V(1.f) is a constant.
///
/// NaN gives NaN, here and on every instruction set, and compares as in IEEE 754: only != is true. The sign of a zero
/// is as stated below; CUDA adds a bias of 0 before an activation, so that −0 enters it as 0. Tests hold each bound on
/// every backend against the standard library in long double (tests/ops/vector_math.cpp). A unit is one in the last
/// place of a float.
namespace scalar_math {
/// eˣ, within 2 units for x in [−87, 88]. Beyond, simd gives 1.2e-38 or 2.2e38, others the value down to 0 or up to ∞.
LLAVA_HOST_DEVICE float exp(float x) {
#if defined(__CUDA_ARCH__)
  return ::expf(x);
#else
  return std::exp(x);
#endif
}
/// The error function, within 2e-7, and odd; erf(−0) is −0.
LLAVA_HOST_DEVICE float erf(float x) {
#if defined(__CUDA_ARCH__)
  return ::erff(x);
#else
  return std::erf(x);
#endif
}
/// The hyperbolic tangent, within 3 units (on simd 2), and odd; tanh(−0) is −0.
LLAVA_HOST_DEVICE float tanh(float x) {
#if defined(__CUDA_ARCH__)
  return ::tanhf(x);
#else
  return std::tanh(x);
#endif
}
/// The natural logarithm, within 1 unit, of subnormal numbers too. Of ±0: −∞; of negative numbers: NaN.
LLAVA_HOST_DEVICE float log(float x) {
#if defined(__CUDA_ARCH__)
  return ::logf(x);
#else
  return std::log(x);
#endif
}
/// The magnitude: x without its sign, also of −0.
LLAVA_HOST_DEVICE float abs(float x) {
#if defined(__CUDA_ARCH__)
  return ::fabsf(x);
#else
  return std::abs(x);
#endif
}
/// The larger one, a if they are equal; NaN if one is NaN. So max(x, 0) of −0 is −0.
LLAVA_HOST_DEVICE float(max)(float a, float b) { return a >= b || a != a ? a : b; }
/// The smaller one, a if they are equal; NaN if one is NaN.
LLAVA_HOST_DEVICE float(min)(float a, float b) { return a <= b || a != a ? a : b; }
/// condition ? a : b, for each element. Both are computed.
LLAVA_HOST_DEVICE float select(bool condition, float a, float b) { return condition ? a : b; }
}  // namespace scalar_math

/// The identity, for linear layers without activation.
struct no_activation {
  static constexpr std::string_view name = "none";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    return x;
  }
};

/// CLIP's activation: x · sigmoid(1.702 x).
struct quick_gelu {
  static constexpr std::string_view name = "quick_gelu";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::exp;
    return x / (V(1.f) + exp(V(-1.702f) * x));
  }
};

/// x · Φ(x), with the error function.
struct gelu {
  static constexpr std::string_view name = "gelu";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::erf;
    return V(0.5f) * x * (V(1.f) + erf(x * V(0.70710678118654752f)));
  }
};

/// The tanh approximation of gelu, in the form x · sigmoid(2u) with u = √(2/π) (x + 0.044715 x³).
struct gelu_tanh {
  static constexpr std::string_view name = "gelu_pytorch_tanh";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::exp;
    const V u = V(0.79788456080286536f) * (x + V(0.044715f) * x * x * x);
    return x / (V(1.f) + exp(V(-2.f) * u));
  }
};

/// x · sigmoid(x).
struct silu {
  static constexpr std::string_view name = "silu";
  template <class V>
  LLAVA_HOST_DEVICE static V apply(const V& x) {
    using scalar_math::exp;
    return x / (V(1.f) + exp(V(0.f) - x));
  }
};

template <class A>
concept activation = requires(float x) {
  { A::apply(x) } -> std::same_as<float>;
  { A::name } -> std::convertible_to<std::string_view>;
};

namespace detail {
template <class A>
inline constexpr bool is_activation_choice = activation<A>;
template <class... A>
inline constexpr bool is_activation_choice<one_of<A...>> = (activation<A> && ...);
}  // namespace detail

/// An activation, or one_of several.
template <class A>
concept activation_choice = detail::is_activation_choice<A>;

LLAVA_END
