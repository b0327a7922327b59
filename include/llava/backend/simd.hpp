// SPDX-License-Identifier: Apache-2.0
/// The simd backend: the instruction set is chosen when a program runs, among AVX-512, AVX2, NEON and plain C++. No compiler
/// flag is needed. Products with floats add in as many lanes as a register has: their bytes are those of an instruction set.
#pragma once
#include <llava/backend/simd/block_matmul.hpp>
#include <llava/backend/simd/ops.hpp>
#include <llava/ops/backend.hpp>

LLAVA_BEGIN

/// The fastest instruction set of the machine.
struct simd {
  static constexpr std::string_view name = "simd";
  static constexpr bool reads_host_memory = true;
  using queue = simd_backend::queue;
  using buffer = host_buffer;
  template <block_format F>
  using layout = simd_backend::panels<F>;
};

/// One instruction set, chosen at compile time; the machine must have it: is_supported(Isa).
template <simd_isa Isa>
struct simd_as {
  static constexpr std::string_view name = name_of(Isa);
  static constexpr bool reads_host_memory = true;
  using queue = simd_backend::pinned_queue<Isa>;
  using buffer = host_buffer;
  template <block_format F>
  using layout = simd_backend::panels<F>;
};

LLAVA_END
