// SPDX-License-Identifier: Apache-2.0
/// queue_of<B>: the queue of backend B. The concepts of this folder (has_matmul<B, F>, has_rms_norm<B>, …) are all
/// asked of a backend. Asked of a queue, they would be false without a word, as if the op were missing: here that is a
/// compile error.
#pragma once
#include <concepts>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {
/// A class that is named `queue`, or derives from one, has that name as a member too.
template <class B>
concept names_its_queue = requires {
  typename B::queue;
  requires !std::derived_from<B, typename B::queue>;
};

template <class B>
struct queue_of {
  static_assert(names_its_queue<B>, "llava: whether an op is there is asked of a backend, not of its queue");
  using type = B;  // so that nothing follows the sentence
};
template <names_its_queue B>
struct queue_of<B> {
  using type = typename B::queue;
};
}  // namespace detail

namespace ops {
template <class B>
using queue_of = typename detail::queue_of<B>::type;
}  // namespace ops

LLAVA_END
