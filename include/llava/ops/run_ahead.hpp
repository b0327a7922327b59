// SPDX-License-Identifier: Apache-2.0
/// Run-ahead: an optional capability of a queue whose ops run later. A step may be queued before the host has read what
/// the step before it drew: the drawn tokens stay in the backend's memory, and the next step takes them from there. So
/// the device has work while the host reads one step's tokens and prepares the step after the next.
///
///   feed_tokens(queue, ids, drawn): ids[t] = drawn[fed_row(ids[t])] if ids[t] ≤ −2, unchanged otherwise
///     ids (T) i32, in place · drawn (R) i32, results of sample · fed_row(ids[t]) < R, which the caller ensures
///   start_download(queue, host, view): as download (ops/rows.hpp), but it returns at once. At most two of a queue are
///     under way: an older one has been finished before. Host memory is written in finish(ticket), if nothing failed.
///   queue.finish(ticket): waits for that download and for all ops before it, not for later ones. Returns the queue's
///     first error, if it is known by then, and keeps it: finish() clears it.
#pragma once
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>

#include <llava/ops/shapes.hpp>
#include <llava/tensor/view.hpp>

LLAVA_BEGIN

/// A started download; number 0 is none.
struct download_ticket {
  std::uint64_t number = 0;
};

/// The number that stands for the token that row `row` of the step before draws, in place of a token's.
constexpr std::int32_t fed_by(std::int32_t row) { return -2 - row; }
constexpr std::int32_t fed_row(std::int32_t id) { return -2 - id; }

namespace ops {
inline shapes feed_tokens_shapes(vector_view<const std::int32_t> ids, vector_view<const std::int32_t> drawn) {
  shapes s("feed_tokens");
  s.require(drawn.size() > 0 || ids.size() == 0, "drawn is empty, expected a row for each that is fed");
  return s;
}
}  // namespace ops

/// Whether steps of queue Q may run ahead of the host.
template <class Q>
concept runs_ahead = requires(Q& q, vector_view<std::int32_t> ids, vector_view<const std::int32_t> drawn,
                              std::span<std::byte> host, vector_view<const std::byte> view, download_ticket t) {
  feed_tokens(q, ids, drawn);
  { start_download(q, host, view) } -> std::same_as<download_ticket>;
  { q.finish(t) } -> std::same_as<result<void>>;
};

LLAVA_END
