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

/// Registers a case for each of the library's backends.
template <class Case>
void add_for_backends(const Case& c) {
  using llava::simd_as, llava::simd_isa;
  add<llava::scalar, simd_as<simd_isa::generic>>(c);
#if defined(__x86_64__)
  if (llava::is_supported(simd_isa::avx2)) add<simd_as<simd_isa::avx2>>(c);
  if (llava::is_supported(simd_isa::avx512)) add<simd_as<simd_isa::avx512>>(c);
  if (llava::is_supported(simd_isa::avx512vnni)) add<simd_as<simd_isa::avx512vnni>>(c);
  if (llava::is_supported(simd_isa::amx)) add<simd_as<simd_isa::amx>>(c);
#elif defined(__aarch64__)
  add<simd_as<simd_isa::neon>>(c);
#endif
}

}  // namespace bench
