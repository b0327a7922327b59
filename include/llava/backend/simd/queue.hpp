// SPDX-License-Identifier: Apache-2.0
/// The queue of the simd backend: the scalar backend's with an instruction set. Argument-dependent lookup finds the
/// scalar version of each op that has no kernel here.
#pragma once
#include <llava/backend/scalar/queue.hpp>
#include <llava/backend/simd/isa.hpp>

LLAVA_BEGIN

namespace simd_backend {

class queue : public scalar_backend::queue {
 public:
  template <class B>
  queue(const B& backend, executor& threads, arena workspace)
      : scalar_backend::queue(backend, threads, workspace), isa_(backend.isa) {}
  simd_isa isa() const { return isa_; }

 private:
  simd_isa isa_;
};

}  // namespace simd_backend

LLAVA_END
