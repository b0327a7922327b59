// SPDX-License-Identifier: Apache-2.0
/// The instruction sets of the simd backend, and which of them a machine has. The choice is made at run time, once per
/// queue: no compiler flag is needed, and one program runs everywhere.
#pragma once
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The instruction sets with kernels.
enum class simd_isa : unsigned char { generic, neon, avx2, avx512, avx512vnni, amx };

#if defined(__x86_64__)
/// Whether the processor multiplies tiles of bytes and the system lets this process use them. Linux requires a request,
/// once for all threads (arch_prctl, ARCH_REQ_XCOMP_PERM of XTILEDATA).
inline bool may_use_tiles() {
#if defined(__linux__)
  static const bool yes = [] {
    constexpr unsigned tile_and_int8 = 3u << 24;
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & tile_and_int8) == tile_and_int8 &&
           ::syscall(SYS_arch_prctl, 0x1023, 18) == 0;
  }();
  return yes;
#else
  return false;
#endif
}
#endif

/// Whether this program has kernels for `isa` and this machine can run them.
inline bool is_supported(simd_isa isa) {
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__))
  if (isa == simd_isa::amx) return is_supported(simd_isa::avx512vnni) && may_use_tiles();
  if (isa == simd_isa::avx512vnni) return __builtin_cpu_supports("avx512vnni") && is_supported(simd_isa::avx512);
  if (isa == simd_isa::avx512)
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && is_supported(simd_isa::avx2);
  // Every processor with AVX2 has F16C, whose name clang 14 does not know.
  if (isa == simd_isa::avx2) return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#elif defined(__aarch64__)
  if (isa == simd_isa::neon) return true;
#endif
  return isa == simd_isa::generic;
}

/// The widest instruction set that is supported, except AMX: its kernels have been tested with emulated instructions,
/// never on a processor that has them. simd_as<simd_isa::amx> selects it.
inline simd_isa best_isa() {
  for (simd_isa isa : {simd_isa::avx512vnni, simd_isa::avx512, simd_isa::avx2, simd_isa::neon})
    if (is_supported(isa)) return isa;
  return simd_isa::generic;
}

/// The name, such as "avx512".
constexpr std::string_view name_of(simd_isa isa) {
  switch (isa) {
    case simd_isa::amx:
      return "amx";
    case simd_isa::avx512vnni:
      return "avx512vnni";
    case simd_isa::avx512:
      return "avx512";
    case simd_isa::avx2:
      return "avx2";
    case simd_isa::neon:
      return "neon";
    case simd_isa::generic:
      return "generic";
  }
  return "?";
}

LLAVA_END
