// SPDX-License-Identifier: Apache-2.0
/// queue_of<B>: the queue of backend B. The concepts of this folder (has_matmul<B, F>, has_rms_norm<B>, …) take a
/// backend. For a queue they would silently be false, as if the op were missing; queue_of makes that a compile error.
#pragma once
#include <concepts>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {
/// Excludes queues: a class that is named `queue`, or derives from one, also has a member of that name.
template <class B>
concept has_own_queue = requires {
  typename B::queue;
  requires !std::derived_from<B, typename B::queue>;
};

template <class B>
struct queue_of {
  static_assert(has_own_queue<B>, "llava: the concepts of llava/ops take a backend, not its queue");
  using type = B;  // avoids further errors
};
template <has_own_queue B>
struct queue_of<B> {
  using type = typename B::queue;
};
}  // namespace detail

namespace ops {
template <class B>
using queue_of = typename detail::queue_of<B>::type;
}  // namespace ops

LLAVA_END
