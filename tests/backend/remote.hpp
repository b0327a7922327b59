// SPDX-License-Identifier: Apache-2.0
/// remote: a test backend that behaves like a device. Its memory cannot be accessed outside an op (an access faults),
/// and its work is deferred until something is downloaded. The scalar backend computes. A stage that reads an element
/// or relies on an op having run fails here. Errors of an op are reported late. The compute of a step is recorded and
/// replayed for the next step of the same shape, like a device's graph. Steps run ahead: a started download happens
/// when its ticket is finished, and the ops behind it later.
#pragma once
#include <sys/mman.h>

#include <cstdio>
#include <cstdlib>
#include <deque>
#include <functional>
#include <llava/backend/scalar.hpp>
#include <llava/ops/run_ahead.hpp>
#include <llava/pipeline/packed_step.hpp>
#include <utility>
#include <vector>

namespace remote_backend {

/// Pages that are accessible only while an op runs.
class memory final : public llava::memory {
 public:
  llava::result<void> try_load(std::byte* to, const std::byte* from, std::size_t bytes) const override {
    open(true);
    std::memcpy(to, from, bytes);
    open(false);
    return {};
  }
  void release(std::byte* at, std::size_t bytes) const noexcept override {
    std::erase_if(all(), [&](const auto& b) { return b.first == at; });
    ::munmap(at, whole_pages(bytes));
  }
  /// Makes all memory of the device accessible or inaccessible.
  static void open(bool yes) {
    for (const auto& [at, n] : all()) ::mprotect(at, n, yes ? PROT_READ | PROT_WRITE : PROT_NONE);
  }

 private:
  static std::size_t whole_pages(std::size_t bytes) { return (bytes + 4095) / 4096 * 4096; }
  std::byte* allocate(std::size_t bytes) const noexcept override {
    const std::size_t pages = whole_pages(bytes);
    void* const at = ::mmap(nullptr, pages, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (at == MAP_FAILED) return nullptr;
    all().emplace_back(at, pages);
    return static_cast<std::byte*>(at);
  }
  static std::vector<std::pair<void*, std::size_t>>& all() {
    static std::vector<std::pair<void*, std::size_t>> buffers;
    return buffers;
  }
};
inline constexpr memory the_memory{};

/// Counts over all queues since program start.
inline struct counts { int uploads = 0, downloads = 0, recorded = 0, replayed = 0, ahead = 0; } done;

/// Defers ops as closures.
class queue {
 public:
  template <class B>
  queue(const B& backend, llava::executor& threads, llava::arena workspace) : scalar_(backend, threads, workspace) {}
  ~queue() { drain(); }
  llava::arena& workspace() { return scalar_.workspace(); }
  int concurrency() const { return 1; }

  template <class Op>
  void later(Op op) {
    if (workspace().planning())
      op(scalar_);  // measures its scratch memory
    else
      push([this, op, used = workspace().used()] {
        workspace().release(used);  // the arena's position when the op was called
        op(scalar_);
      });
  }

  /// Submits the ops of one compute, or replays those recorded for the same shape.
  template <class Ops>
  void replay(const llava::step_shape& shape, Ops&& ops) {
    if (workspace().planning()) return ops();
    for (const auto& [of, graph] : graphs_)
      if (of == shape) {
        ++done.replayed;
        waiting_.insert(waiting_.end(), graph.begin(), graph.end());
        queued_ += graph.size();
        return;
      }
    ++done.recorded;
    std::vector<std::function<void()>> graph;
    recording_ = &graph;
    ops();
    recording_ = nullptr;
    graphs_.emplace_back(shape, std::move(graph));
  }
  /// Counts an upload or download. A graph must not contain one.
  void transfer(int& count) {
    if (workspace().planning()) return;
    if (recording_)
      std::fputs("remote: found an upload or a download in the compute of a step\n", stderr), std::abort();
    ++count;
  }
  llava::result<void> finish() {
    drain();
    return std::exchange(state_, {});
  }
  llava::result<void> finish(llava::download_ticket t) {
    done.ahead += t.number < queued_;  // a step is queued behind it
    run(t.number);
    return state_;
  }
  llava::download_ticket ticket() const { return {queued_}; }
  /// Runs the deferred ops. The queue keeps their error.
  void drain() { run(queued_); }

 private:
  void push(std::function<void()> op) {
    if (recording_) recording_->push_back(op);
    waiting_.push_back(std::move(op));
    ++queued_;
  }
  /// Runs the deferred ops up to number `end`. Behind an error none runs.
  void run(std::uint64_t end) {
    const std::size_t used = workspace().used();
    memory::open(true);
    for (; queued_ - waiting_.size() < end; waiting_.pop_front())
      if (state_) {
        waiting_.front()();
        state_ = scalar_.finish();
      }
    memory::open(false);
    workspace().release(used);
    if (state_) state_ = scalar_.finish();  // of ops that were refused when they were called
  }

  llava::scalar_backend::queue scalar_;
  std::vector<std::pair<llava::step_shape, std::vector<std::function<void()>>>> graphs_;
  std::vector<std::function<void()>>* recording_ = nullptr;
  std::deque<std::function<void()>> waiting_;
  std::uint64_t queued_ = 0;  // ops, from the beginning on
  llava::result<void> state_;
};

// Every op of the contract, deferred. The arguments are views and scalars, captured by value.
template <class... P>
void matmul(queue& q, P... p) {
  q.later([=](auto& s) { matmul(s, p...); });
}
template <class... P>
void activate(queue& q, P... p) {
  q.later([=](auto& s) { activate(s, p...); });
}
template <class... P>
void rms_norm(queue& q, P... p) {
  q.later([=](auto& s) { rms_norm(s, p...); });
}
template <class... P>
void layer_norm(queue& q, P... p) {
  q.later([=](auto& s) { layer_norm(s, p...); });
}
template <class... P>
void attention(queue& q, P... p) {
  q.later([=](auto& s) { attention(s, p...); });
}
template <class... P>
void paged_attention(queue& q, P... p) {
  q.later([=](auto& s) { paged_attention(s, p...); });
}
template <class... P>
void rope_angles(queue& q, P... p) {
  q.later([=](auto& s) { rope_angles(s, p...); });
}
template <class... P>
void rope(queue& q, P... p) {
  q.later([=](auto& s) { rope(s, p...); });
}
template <class... P>
void store_kv(queue& q, P... p) {
  q.later([=](auto& s) { store_kv(s, p...); });
}
template <class... P>
void embed(queue& q, P... p) {
  q.later([=](auto& s) { embed(s, p...); });
}
template <class... P>
void gather_rows(queue& q, P... p) {
  q.later([=](auto& s) { gather_rows(s, p...); });
}
template <class... P>
void mix_rows(queue& q, P... p) {
  q.later([=](auto& s) { mix_rows(s, p...); });
}
template <class... P>
void max_rows(queue& q, P... p) {
  q.later([=](auto& s) { max_rows(s, p...); });
}
template <class... P>
void add(queue& q, P... p) {
  q.later([=](auto& s) { add(s, p...); });
}
template <class... P>
void copy(queue& q, P... p) {
  q.later([=](auto& s) { copy(s, p...); });
}
template <class... P>
void patchify(queue& q, P... p) {
  q.later([=](auto& s) { patchify(s, p...); });
}
inline void sample(queue& q, llava::vector_view<std::int32_t> ids, llava::matrix_view<const float> logits,
                   llava::vector_view<const llava::sampling_params> draws) {
  q.later([=](auto& s) { sample(s, ids, logits, draws); });
}
inline void logprobs(queue& q, llava::vector_view<float> y, llava::matrix_view<const float> logits,
                     llava::vector_view<const std::int32_t> ids) {
  q.later([=](auto& s) { logprobs(s, y, logits, ids); });
}
inline void top_logprobs(queue& q, llava::matrix_view<llava::token_logprob> y, llava::matrix_view<const float> logits) {
  q.later([=](auto& s) { top_logprobs(s, y, logits); });
}

template <class T, class S>
void upload(queue& q, llava::view<T, S> to, std::span<const T> from) {
  q.transfer(done.uploads);
  q.later([to, kept = std::vector<T>(from.begin(), from.end())](auto& s) { upload(s, to, std::span<const T>(kept)); });
}
template <class T, class S>
void download(queue& q, std::span<T> to, llava::view<const T, S> from) {
  q.transfer(done.downloads);
  q.later([=](auto& s) { download(s, to, from); });
  q.drain();
}
template <class T, class S>
llava::download_ticket start_download(queue& q, std::span<T> to, llava::view<const T, S> from) {
  q.transfer(done.downloads);
  q.later([=](auto& s) { download(s, to, from); });
  return q.ticket();
}
inline void feed_tokens(queue& q, llava::vector_view<std::int32_t> ids, llava::vector_view<const std::int32_t> drawn) {
  q.later([=](llava::scalar_backend::queue& s) {
    if (s.accepts(llava::ops::feed_tokens_shapes(ids, drawn)))
      s.submit([&](llava::workers) {
        for (std::ptrdiff_t t = 0; t < ids.size(); ++t)
          if (ids(t) <= -2) ids(t) = drawn(llava::fed_row(ids(t)));
      });
  });
}

}  // namespace remote_backend

/// A device whose products multiply operands of type T.
template <class T>
struct remote_of {
  static constexpr std::string_view name = "remote";
  static constexpr bool reads_host_memory = false;
  using queue = remote_backend::queue;
  const llava::memory& memory() const { return remote_backend::the_memory; }
  template <class F>
  using operand = T;
  template <class K>
  using kv_layout = llava::block_kv_layout<K>;
  template <llava::coded_format F>
  using layout = llava::stored_layout<F>;
};
using remote = remote_of<float>;
