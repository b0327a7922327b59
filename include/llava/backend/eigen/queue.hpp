// SPDX-License-Identifier: Apache-2.0
/// The queue of the eigen backend, derived from the scalar backend's: argument-dependent lookup finds the scalar
/// version of each op that this backend lacks.
#pragma once
#include <llava/backend/scalar/queue.hpp>

LLAVA_BEGIN

namespace eigen_backend {
struct queue : scalar_backend::queue {
  using scalar_backend::queue::queue;
};
}  // namespace eigen_backend

LLAVA_END
