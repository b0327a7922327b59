// SPDX-License-Identifier: Apache-2.0
/// One step of the language model over any rows of any sequences, prefill chunks and decode rows.
///
///   pack      inputs of the step -> one upload; image tokens -> rows of one matrix
///   compute   tokens (T) and image tokens -> x (T, D) -> decoder -> some rows (R, D) -> logits (R, V) -> ids (R)
///   read      one download of the drawn tokens
///
/// On a queue that runs ahead (ops/run_ahead.hpp), compute begins with the tokens that the step before drew, and the
/// download is only started: begin_step returns while the device computes, and finish_step waits.
///
/// `compute` consists of ops, the same ones for all steps of one shape, so a backend may record and replay it (a
/// captured graph). If the host changes logits, compute has two halves with a download and an upload between them.
/// Log-probabilities are always those of the model's own logits, which are then copied before they change.
///
/// A row's result does not depend on the other rows of its step (R14), so prompts may be split into chunks, and
/// sequences may share a step, in any way.
#pragma once
#include <algorithm>
#include <span>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/generate/settings.hpp>
#include <llava/ops/backend.hpp>
#include <llava/ops/kv_layout.hpp>
#include <llava/ops/rows.hpp>
#include <llava/ops/run_ahead.hpp>
#include <llava/ops/sample.hpp>
#include <llava/pipeline/packed_step.hpp>
#include <llava/pipeline/step_request.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

namespace detail {
template <class Q>
concept replays_steps = requires(Q& q, const step_shape& shape, function_ref<void()> ops) {
  q.replay(shape, ops);
};

/// Runs ops(), one compute, on a queue. The queue may replay an earlier recording instead.
template <class Q, class Ops>
void compute(Q& q, const step_shape& shape, Ops&& ops) {
  if constexpr (replays_steps<Q>)
    q.replay(shape, ops);
  else
    ops();
}

/// Copies the step's image tokens to the rows of `images` (T, D) of their positions.
template <class Q>
void copy_images(Q& q, matrix_view<float> images, std::span<const step_part> parts) {
  std::ptrdiff_t t = 0;
  for (const step_part& p : parts)
    for (std::size_t i = 0; i < p.tokens.size();) {
      const prompt_token first = p.tokens[i];
      std::size_t n = 1;  // tokens that are consecutive rows of the image
      while (first.is_image() && i + n < p.tokens.size() &&
             p.tokens[i + n] == prompt_token{first.id, first.row + static_cast<std::int32_t>(n)})
        ++n;
      const auto rows = static_cast<std::ptrdiff_t>(n);
      if (first.is_image())
        copy(q, rows_of(images, t, rows),
             rows_of(matrix_view<const float>(p.encoded[static_cast<std::size_t>(first.image())]->view()), first.row,
                     rows));
      i += n, t += rows;
    }
}

/// The memory of a running step, in the arena. Equal shapes have equal addresses. The drawn tokens come first, with
/// room for those of the largest step, and so stay where they are until the next step has taken them.
template <class Q>
struct step_memory {
  vector_view<std::int32_t> drawn;  // (most_rows) of the step before, or of this one
  vector_view<std::byte> output_bytes, input_bytes;
  step_inputs in;
  step_outputs out;
  matrix_view<float> images;  // (T, D)
  matrix_view<float> logits;  // (R, rows of the head)

  step_memory(Q& q, const step_shape& s, int width, int head_rows)
      : drawn(allocate_outputs(q, s)),
        output_bytes(bytes_at(reinterpret_cast<std::byte*>(drawn.data()), step_outputs::bytes(s))),
        input_bytes(allocate_inputs(q, step_inputs::bytes(s))),
        in(input_bytes.data(), s),
        out(output_bytes.data(), s),
        images(allocate_matrix(q, s.tokens, width)),
        logits(allocate_matrix(q, s.logit_rows, head_rows)) {}

 private:
  static vector_view<std::int32_t> allocate_outputs(Q& q, const step_shape& s) {
    const std::ptrdiff_t words = static_cast<std::ptrdiff_t>(step_outputs::bytes(s) / sizeof(std::int32_t));
    return {q.workspace().template allocate<std::int32_t>((std::max)(words, std::ptrdiff_t{s.most_rows})),
            dynamic_shape<1>(s.most_rows)};
  }
  static vector_view<std::byte> allocate_inputs(Q& q, std::size_t bytes) {
    return bytes_at(q.workspace().template allocate<std::byte>(static_cast<std::ptrdiff_t>(bytes)), bytes);
  }
  static vector_view<std::byte> bytes_at(std::byte* at, std::size_t bytes) {
    return {at, dynamic_shape<1>(static_cast<std::ptrdiff_t>(bytes))};
  }
};

/// Runs the ops from token ids to logits. Returns false if `go_on` stopped them.
template <class Q, class Decoder, class Cache>
bool compute_logits(Q& q, const step_memory<Q>& m, const Decoder& decoder, const Cache& cache,
                    function_ref<bool()> go_on) {
  arena_scope scope(q.workspace());
  const matrix_view<float> x = allocate_matrix(q, m.images.extent(0), m.images.extent(1));  // (T, D)
  if constexpr (runs_ahead<Q>) feed_tokens(q, m.in.ids, m.drawn);
  decoder.embed_tokens(q, x, m.in.ids);
  gather_rows(q, x, m.images, m.in.image_rows);
  if (!decoder.forward(q, x, step_rows{m.in.positions, m.in.sequences, m.in.kv_slots, m.in.blocks}, cache, go_on))
    return false;
  if (m.in.logit_rows.size() == 0) return true;
  const matrix_view<float> last = allocate_matrix(q, m.in.logit_rows.size(), x.extent(1));  // (R, D)
  gather_rows(q, last, x, m.in.logit_rows);
  decoder.head(q, m.logits, last);
  return true;
}

/// K, the same for all steps: few shapes, and so few recordings.
template <class Decoder>
int most_likely(const Decoder& decoder) {
  return (std::min)(generation_limits::top_logprobs, decoder.vocab());
}

/// Queues a packed step. On a planning queue it only counts memory and checks operands.
template <class Q, class Decoder, class Cache>
result<void> begin_packed(Q& q, step_shape shape, std::span<const std::byte> packed, const Decoder& decoder,
                          const Cache& cache, const step_request& asked, function_ref<bool()> go_on,
                          step_results& results) {
  arena_scope scope(q.workspace());
  const step_memory<Q> m(q, shape, decoder.config().hidden, decoder.head_rows());
  const matrix_view<float> logits(m.logits.data(), dynamic_shape<2>(shape.logit_rows, decoder.vocab()),
                                  m.logits.stride());  // (R, V)
  results.arrival = {};
  upload(q, m.input_bytes, packed);
  copy_images(q, m.images, asked.parts);

  bool whole = go_on();
  const auto to_logits = [&] {
    if constexpr (runs_at_once<Q>)
      whole = whole && compute_logits(q, m, decoder, cache, go_on);
    else
      compute_logits(q, m, decoder, cache, never_stop);
  };
  matrix_view<const float> own = logits;  // (R, V) the model's
  const auto draw = [&] {
    sample(q, m.out.ids, logits, m.in.draws);
    if (shape.logprobs) logprobs(q, m.out.logprobs, own, m.out.ids);
    if (shape.top_logprobs > 0) top_logprobs(q, m.out.top_logprobs, own);
  };
  const auto cancelled = [] { return fail(errc::cancelled, "llava: the question was cancelled"); };
  if (!whole) return cancelled();
  const int host_rows = shape.draws ? asked.changed_rows : shape.logit_rows;
  if (host_rows == 0) {
    compute(q, shape, [&] {
      to_logits();
      if (shape.draws && whole) draw();
    });
    if (!whole) return cancelled();
  } else {
    step_shape half = shape;
    half.draws = false;  // the rest decides where the memory lies
    compute(q, half, to_logits);
    if (!whole) return cancelled();
    const matrix_view<float> wanted = rows_of(m.logits, 0, host_rows);
    results.logits_memory.resize(static_cast<std::size_t>(wanted.size()));
    download(q, std::span<float>(results.logits_memory), matrix_view<const float>(wanted));
    LLAVA_CHECK(q.finish());
    const matrix_view<float> host(results.logits_memory.data(), dynamic_shape<2>(host_rows, decoder.vocab()),
                                  m.logits.stride());
    results.logits = host;
    if (!shape.draws) return {};
    if (shape.logprobs || shape.top_logprobs > 0) {
      const matrix_view<float> kept = allocate_matrix(q, logits.extent(0), logits.extent(1));
      copy(q, kept, matrix_view<const float>(logits));
      own = kept;
    }
    asked.on_logits(host);
    upload(q, wanted, std::span<const float>(results.logits_memory));
    half = shape;
    half.to_logits = false;
    compute(q, half, draw);
  }
  if (!shape.draws) return q.finish();
  results.drawn.resize(step_outputs::bytes(shape));
  const std::span<std::byte> host_bytes(results.drawn);
  const vector_view<const std::byte> drawn_bytes(m.output_bytes);
  const step_outputs drawn(results.drawn.data(), shape);
  results.ids = {drawn.ids.data(), static_cast<std::size_t>(drawn.ids.size())};
  results.logprobs = {drawn.logprobs.data(), static_cast<std::size_t>(drawn.logprobs.size())};
  results.top_logprobs = drawn.top_logprobs;
  if constexpr (runs_ahead<Q>) {
    if (!q.workspace().planning()) {
      results.arrival = start_download(q, host_bytes, drawn_bytes);
      return {};
    }
  }
  download(q, host_bytes, drawn_bytes);
  return q.finish();
}
}  // namespace detail

/// Queues a step; `packed` holds its inputs until this returns. The caller reserves room in the caches, keeps within
/// the limits, and calls finish_step. After an error, or if `go_on` returns false (errc::cancelled), there is nothing
/// to finish. `go_on` is called before the step, and before every layer if the queue runs ops at once.
template <class Q, class Decoder, class Cache>
result<void> begin_step(Q& q, packed_step& packed, const Decoder& decoder, const Cache& cache,
                        const step_request& asked, function_ref<bool()> go_on, step_results& results) {
  step_shape shape = packed.fill(asked.parts, asked.draws, detail::replays_steps<Q>);
  shape.logprobs = shape.draws && asked.logprobs;
  if (shape.draws && asked.top_logprobs) shape.top_logprobs = detail::most_likely(decoder);
  return detail::begin_packed(q, shape, packed.bytes(), decoder, cache, asked, go_on, results);
}

/// Waits for a step's results. If there are any, the caches hold its tokens, and the caller counts them: set_tokens().
template <class Q>
result<void> finish_step(Q& q, const step_results& begun) {
  if constexpr (runs_ahead<Q>)
    if (begun.arrival.number != 0) return q.finish(begun.arrival);
  return {};  // begin_step has waited
}

/// Runs the largest step on a planning queue, with logits that the host changes. The arena's peak is then the size that
/// a workspace needs. Errors: an op whose operands do not fit.
template <class Q, class Decoder, class Cache>
result<void> plan_step(Q& q, const Decoder& decoder, const Cache& cache, const step_limits& m) {
  const step_shape largest{
      m.tokens, m.sequences, m.blocks, m.logit_rows, true, true, true, detail::most_likely(decoder), m.logit_rows};
  step_request asked;
  asked.changed_rows = m.logit_rows;
  const std::vector<std::byte> numbers(step_inputs::bytes(largest));
  step_results nothing;
  return detail::begin_packed(q, largest, numbers, decoder, cache, asked, never_stop, nothing);
}

LLAVA_END
