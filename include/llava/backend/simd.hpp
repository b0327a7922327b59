// SPDX-License-Identifier: Apache-2.0
/// The simd backend: the instruction set is chosen at run time, among AVX-512, AVX2, NEON and plain C++. No compiler
/// flag is needed. Float products have as many partial sums as a register has lanes, so their bytes depend on the
/// instruction set.
#pragma once
#include <llava/backend/simd/ops.hpp>
#include <llava/ops/backend.hpp>

LLAVA_BEGIN

/// Vector kernels for the machine's best instruction set, or for a given one.
struct simd {
  static constexpr std::string_view name = "simd";
  static constexpr bool reads_host_memory = true;
  using queue = simd_backend::queue;
  simd_isa isa = best_isa();

  const llava::memory& memory() const { return host_memory(); }
  result<void> try_check() const {
    if (is_supported(isa)) return {};
    return fail(errc::unsupported, text_of("llava: this machine has no ", name_of(isa),
                                           "; its best instruction set is ", name_of(best_isa())));
  }
  template <class F>
  using operand = float;
  template <class T>
  using kv_layout = block_kv_layout<T>;
  template <coded_format F>
  using layout = simd_backend::panels<F>;
};

/// One instruction set, chosen at compile time.
template <simd_isa Isa>
struct simd_as : simd {
  static constexpr std::string_view name = name_of(Isa);
  simd_as() : simd{Isa} {}
};

LLAVA_END
