// SPDX-License-Identifier: Apache-2.0
/// What a backend is: a value that memory and queues are made from (which instruction set, which device), cheap to
/// copy. Its type has a `queue` (one per step: first in, first out; it has an arena and an executor), a `layout<F>` for
/// each block format that it multiplies (quant/layout.hpp), and the ops of this folder, found beside the queue's type.
/// An op that is missing is a compile error that names it.
///
///   b.memory()                         where weights, caches and activations are: an object of the program's lifetime
///   B::queue(b, executor, arena)       a queue
///   B::kv_layout<T>                    how a layer of the KV cache of T lies in memory (attention.hpp)
///   B::operand<F>                      element type of what feeds products with weights in format F (operand.hpp)
///   b.try_check()                      if there: whether this machine has what b names; asked when a model is opened
///   queue::runs_at_once                if there and true: an op has run when its call returns, so that a question is
///                                      cancelled between two layers, and not only between two steps
///   q.replay(shape, ops)               if there: runs ops(), which calls ops of the queue alone. For a shape that it
///                                      has met (==) the queue may run again what it queued then, without calling ops()
///
/// Ops return nothing and may run later, so the queue keeps the first error: operands that do not fit their op
/// (ops/shapes.hpp), more memory than was planned, what a device reports. Ops after it do nothing. finish() waits for
/// all of them and gives the error away; the queue is then as good as new. What was downloaded is to be believed after
/// that only.
#pragma once
#include <concepts>
#include <cstddef>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/ops/attention.hpp>
#include <llava/ops/matmul.hpp>
#include <llava/ops/norm.hpp>
#include <llava/ops/patchify.hpp>
#include <llava/ops/rows.hpp>
#include <llava/ops/sample.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/tensor/buffer.hpp>

LLAVA_BEGIN

template <class B>
concept backend = std::copyable<B> && std::constructible_from<typename B::queue, const B&, executor&, arena> &&
    requires(const B& b, typename B::queue& q) {
  { B::name } -> std::convertible_to<std::string_view>;
  /// Whether the backend's memory is the program's own: ops can read weights where a file is mapped.
  { B::reads_host_memory } -> std::convertible_to<bool>;
  { b.memory() } -> std::convertible_to<const memory&>;
  { q.workspace() } -> std::same_as<arena&>;
  { q.finish() } -> std::same_as<result<void>>;
};

/// Whether a row of B's results depends on that row alone: not on the rows beside it, on chunks or on threads (R14). So
/// it is, unless the backend says `static constexpr bool batch_deterministic = false`.
template <class B>
inline constexpr bool is_batch_deterministic = [] {
  if constexpr (requires { B::batch_deterministic; })
    return static_cast<bool>(B::batch_deterministic);
  else
    return true;
}();

/// Whether an op of a queue has run when its call returns: so it is where the queue says `static constexpr bool
/// runs_at_once = true`. Then work can end between two layers.
template <class Q>
inline constexpr bool runs_at_once = [] {
  if constexpr (requires { Q::runs_at_once; })
    return static_cast<bool>(Q::runs_at_once);
  else
    return false;
}();

namespace ops {
template <class B, class P>
concept has_matmuls = has_matmul<B, typename P::text> && has_matmul<B, typename P::vision> &&
    has_matmul<B, typename P::projector> && has_matmul<B, typename P::head>;
}  // namespace ops

/// Whether B has every op that a pipeline with weight policy P calls. The first one missing is a compile error that
/// names it and its contract.
template <backend B, class P>
constexpr bool check_backend() {
  if constexpr (!ops::has_matmuls<B, P>)
    static_assert(
        ops::has_matmuls<B, P>,
        "llava: the backend has no matmul for one of the policy's weight formats (contract: llava/ops/matmul.hpp)");
  else if constexpr (!ops::has_rms_norm<B, typename P::text>)
    static_assert(ops::has_rms_norm<B, typename P::text>,
                  "llava: the backend has no rms_norm (contract: llava/ops/norm.hpp)");
  else if constexpr (!ops::has_layer_norm<B, typename P::vision>)
    static_assert(ops::has_layer_norm<B, typename P::vision>,
                  "llava: the backend has no layer_norm (contract: llava/ops/norm.hpp)");
  else if constexpr (!ops::has_attention<B, typename P::vision>)
    static_assert(ops::has_attention<B, typename P::vision>,
                  "llava: the backend has no attention (contract: llava/ops/attention.hpp)");
  else if constexpr (!ops::has_paged_attention<B, typename P::kv_cache, typename P::text>)
    static_assert(
        ops::has_paged_attention<B, typename P::kv_cache, typename P::text>,
        "llava: the backend has no paged_attention for the policy's KV cache (contract: llava/ops/attention.hpp)");
  else if constexpr (!ops::has_embed<B, typename P::embeddings>)
    static_assert(ops::has_embed<B, typename P::embeddings>,
                  "llava: the backend has no embed (contract: llava/ops/rows.hpp)");
  else if constexpr (!ops::has_rows<B>)
    static_assert(
        ops::has_rows<B>,
        "llava: the backend lacks one of gather_rows, add, copy, upload, download (contract: llava/ops/rows.hpp)");
  else if constexpr (!ops::has_patchify<B, typename P::vision>)
    static_assert(ops::has_patchify<B, typename P::vision>,
                  "llava: the backend has no patchify (contract: llava/ops/patchify.hpp)");
  else if constexpr (!ops::has_sample<B>)
    static_assert(ops::has_sample<B>, "llava: the backend lacks sample or logprobs (contract: llava/ops/sample.hpp)");
  else
    return true;
  return false;
}

LLAVA_END
