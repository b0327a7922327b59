// SPDX-License-Identifier: Apache-2.0
/// A backend is a value that provides memory and queues (it selects an instruction set or a device). It is cheap to
/// copy. Its type has a `queue` (one per step, first in, first out, with an arena and an executor), a `layout<F>` for
/// each block format that it multiplies (quant/layout.hpp), and the ops of this folder, which argument-dependent lookup
/// finds through the queue. A missing op is a compile error that names it.
///
///   b.memory()                         the memory of weights, caches and activations; lives as long as the program
///   B::queue(b, executor, arena)       a queue
///   B::kv_layout<T>                    layout of one layer of a KV cache with elements T (kv_layout.hpp)
///   B::operand<F>                      element type of the inputs of products with weights in format F (operand.hpp)
///   b.try_check()                      optional: whether this machine supports b; called when a model is opened
///   queue::runs_at_once                optional: true if an op has run when its call returns, so that a question can
///                                      be cancelled between two layers and not only between two steps
///   q.replay(shape, ops)               optional: runs ops(), which calls only ops of the queue. For a shape equal (==)
///                                      to an earlier one, the queue may repeat the ops of that call without ops()
///   run_ahead.hpp                      optional: a step may be queued before the host has read the one before
///
/// Ops return nothing and may run later, so the queue keeps the first error: operands of wrong shapes (ops/shapes.hpp),
/// more memory than planned, or an error of the device. Later ops do nothing. finish() waits for all ops, returns the
/// error and clears it. Downloaded data is valid only after finish() succeeds.
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
  /// Whether ops can read the program's memory, and therefore weights in a mapped file.
  { B::reads_host_memory } -> std::convertible_to<bool>;
  { b.memory() } -> std::convertible_to<const memory&>;
  { q.workspace() } -> std::same_as<arena&>;
  { q.finish() } -> std::same_as<result<void>>;
};

/// Whether a row of B's results depends on that row alone, not on other rows, chunks or threads (R14). True unless the
/// backend declares `static constexpr bool batch_deterministic = false`.
template <class B>
inline constexpr bool is_batch_deterministic = [] {
  if constexpr (requires { B::batch_deterministic; })
    return static_cast<bool>(B::batch_deterministic);
  else
    return true;
}();

/// Whether an op of a queue has run when its call returns, so that work can stop between two layers. True if the queue
/// declares `static constexpr bool runs_at_once = true`.
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

/// Whether B has every op that a pipeline with weight policy P calls. The first missing op is a compile error that
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
        "llava: the backend has no paged_attention for the policy's KV cache (contract: llava/ops/attention.hpp; "
        "llava::fp8_e4m3 is for llava::cuda and llava::scalar, not for llava::simd)");
  else if constexpr (!ops::has_embed<B, typename P::embeddings>)
    static_assert(ops::has_embed<B, typename P::embeddings>,
                  "llava: the backend has no embed (contract: llava/ops/rows.hpp)");
  else if constexpr (!ops::has_rows<B>)
    static_assert(ops::has_rows<B>,
                  "llava: the backend lacks one of gather_rows, mix_rows, max_rows, add, copy, upload, download "
                  "(contract: llava/ops/rows.hpp)");
  else if constexpr (!ops::has_patchify<B, typename P::vision>)
    static_assert(ops::has_patchify<B, typename P::vision>,
                  "llava: the backend has no patchify (contract: llava/ops/patchify.hpp)");
  else if constexpr (!ops::has_sample<B>)
    static_assert(ops::has_sample<B>,
                  "llava: the backend lacks one of sample, logprobs, top_logprobs (contract: llava/ops/sample.hpp)");
  else
    return true;
  return false;
}

LLAVA_END
