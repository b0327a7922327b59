// SPDX-License-Identifier: Apache-2.0
/// The backends that ops are benchmarked on: scalar (small sizes only), simd in every instruction set of the machine,
/// and for products the libraries that CMake found.
#pragma once
#include <llava/backend/scalar.hpp>
#include <llava/backend/simd.hpp>

#include "baselines/baselines.hpp"
#include "harness.hpp"

namespace bench {

/// Whether backend B is fast enough to be benchmarked with so many FLOPs.
template <class B>
constexpr bool can_afford(double flops) {
  if constexpr (std::is_same_v<B, llava::scalar>) return flops < 3e7;
  if constexpr (std::is_same_v<B, llava::simd_as<llava::simd_isa::generic>>) return flops < 3e8;
  return true;
}

/// Calls use.operator()<B>() for each of the library's backends that this machine can run.
template <class Use>
void for_each_backend(Use&& use) {
  using llava::simd_as, llava::simd_isa;
  use.template operator()<llava::scalar>();
  use.template operator()<simd_as<simd_isa::generic>>();
#if defined(__x86_64__)
  if (llava::is_supported(simd_isa::avx2)) use.template operator()<simd_as<simd_isa::avx2>>();
  if (llava::is_supported(simd_isa::avx512)) use.template operator()<simd_as<simd_isa::avx512>>();
  if (llava::is_supported(simd_isa::avx512vnni)) use.template operator()<simd_as<simd_isa::avx512vnni>>();
  if (llava::is_supported(simd_isa::amx)) use.template operator()<simd_as<simd_isa::amx>>();
#elif defined(__aarch64__)
  use.template operator()<simd_as<simd_isa::neon>>();
#endif
}

/// Registers a case for each of them.
template <class Case>
void add_for_backends(const Case& c) {
  for_each_backend([&]<class B>() { add<B>(c); });
}

}  // namespace bench
