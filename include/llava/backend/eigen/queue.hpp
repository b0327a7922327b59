// SPDX-License-Identifier: Apache-2.0
/// The queue of the eigen backend: the scalar one's. An op without a version here is found in the scalar backend,
/// through the base class.
#pragma once
#include <llava/backend/scalar/queue.hpp>

LLAVA_BEGIN

namespace eigen_backend {
struct queue : scalar_backend::queue {
  using scalar_backend::queue::queue;
};
}  // namespace eigen_backend

LLAVA_END
