// SPDX-License-Identifier: Apache-2.0
/// placeholder
#pragma once
#include <llava/backend/scalar.hpp>
LLAVA_BEGIN
namespace simd_backend { struct queue : scalar_backend::queue { using scalar_backend::queue::queue; }; }
struct simd {
  static constexpr std::string_view name = "simd";
  static constexpr bool reads_host_memory = true;
  using queue = simd_backend::queue;
  using buffer = host_buffer;
};
LLAVA_END
