// SPDX-License-Identifier: Apache-2.0
/// The simd backend: the instruction set is chosen when a program runs, among AVX-512, AVX2, NEON and plain C++. No
/// compiler flag is needed. Products with floats add in as many lanes as a register has: their bytes are those of an
/// instruction set.
#pragma once
#include <llava/backend/simd/ops.hpp>
#include <llava/ops/backend.hpp>

LLAVA_BEGIN

/// Vectors: the fastest instruction set of the machine, or the one that is said.
struct simd {
  static constexpr std::string_view name = "simd";
  static constexpr bool reads_host_memory = true;
  using queue = simd_backend::queue;
  simd_isa isa = best_isa();

  const llava::memory& memory() const { return host_memory(); }
  result<void> try_check() const {
    if (is_supported(isa)) return {};
    return fail(errc::unsupported,
                text_of("llava: this machine has no ", name_of(isa), "; its best is ", name_of(best_isa())));
  }
  template <class F>
  using operand = float;
  template <class T>
  using kv_layout = block_kv_layout<T>;
  template <block_format F>
  using layout = simd_backend::panels<F>;
};

/// One instruction set, chosen at compile time.
template <simd_isa Isa>
struct simd_as : simd {
  static constexpr std::string_view name = name_of(Isa);
  simd_as() : simd{Isa} {}
};

LLAVA_END
