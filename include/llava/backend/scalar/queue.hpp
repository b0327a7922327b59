// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <llava/backend/host_queue.hpp>

LLAVA_BEGIN

/// The queue of the scalar backend. Its ops are in this namespace, where argument-dependent lookup finds them.
namespace scalar_backend {
struct queue : host_queue {
  using host_queue::host_queue;
};
}  // namespace scalar_backend

LLAVA_END
