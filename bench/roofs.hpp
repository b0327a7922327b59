// SPDX-License-Identifier: Apache-2.0
/// The roofs of the machine that a program runs on: memory bandwidth, and the rates of multiply-adds in f32 and in
/// integers. They are measured in the widest instruction set of the machine, chosen at run time.
///
/// Each figure is the best of several short runs, because other load only lowers it. It still depends on the moment: to
/// compare two programs, alternate them (bench/compare).
///
///   read_bytes  bytes/s from a buffer larger than any cache, 8 streams per thread, huge pages if available
///   fma_flops   FLOP/s of independent fused multiply-adds in f32 (2 each)
///   int8_ops    operations/s of the instruction set's 8-bit dot product with 32-bit sums (2 per pair of bytes)
///   int16_ops   the same for 16-bit integers
#pragma once
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string_view>
#include <thread>
#include <vector>

#include "roofs/avx2.hpp"
#include "roofs/avx512.hpp"
#include "roofs/generic.hpp"
#include "roofs/neon.hpp"

namespace bench {

struct roofs {
  std::string_view isa;
  int threads = 0;
  double read_bytes = 0, fma_flops = 0, int8_ops = 0, int16_ops = 0;  // per second
};

/// An instruction set in which roofs can be measured.
struct roof_isa {
  std::string_view name;
  bool supported;
  const probe* kernels;
};

/// The instruction sets that this program and the machine support, the widest first.
inline std::vector<roof_isa> roof_isas() {
  std::vector<roof_isa> all;
#if defined(__x86_64__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
  all.push_back({"avx512vnni", avx512 && __builtin_cpu_supports("avx512vnni"), &roof_avx512vnni::kernels});
  all.push_back({"avx512", avx512, &roof_avx512::kernels});
  all.push_back({"avx2", avx2, &roof_avx2::kernels});
#elif defined(__aarch64__)
  all.push_back({"neon", true, &roof_neon::kernels});
#endif
  all.push_back({"generic", true, &roof_generic::kernels});
  std::erase_if(all, [](const roof_isa& isa) { return !isa.supported; });
  return all;
}

namespace detail {

/// Pins the constructing thread to number `which` of the processors that it may use, until destruction. A measurement
/// is short: two threads that start on one processor may stay there and show half of the true rate.
class on_processor {
 public:
#if defined(__linux__)
  explicit on_processor(int which) {
    if (::pthread_getaffinity_np(::pthread_self(), sizeof before_, &before_) != 0) return;
    int left = which % CPU_COUNT(&before_);
    for (std::size_t i = 0; i < CPU_SETSIZE; ++i) {
      if (!CPU_ISSET(i, &before_) || left-- != 0) continue;
      cpu_set_t one;
      CPU_ZERO(&one);
      CPU_SET(i, &one);
      pinned_ = ::pthread_setaffinity_np(::pthread_self(), sizeof one, &one) == 0;
    }
  }
  ~on_processor() {
    if (pinned_) ::pthread_setaffinity_np(::pthread_self(), sizeof before_, &before_);
  }
#else
  explicit on_processor(int) {}
  ~on_processor() {}
#endif
  on_processor(const on_processor&) = delete;
  on_processor& operator=(const on_processor&) = delete;

#if defined(__linux__)
 private:
  cpu_set_t before_;
  bool pinned_ = false;
#endif
};

/// Seconds from the moment when all threads are ready until the last one has finished work(thread).
template <class Work>
double seconds_of(int threads, Work&& work) {
  std::atomic<int> ready{0};
  std::atomic<bool> go{false};
  std::vector<std::jthread> others;
  for (int t = 1; t < threads; ++t)
    others.emplace_back([&, t] {
      const on_processor mine(t);
      ready.fetch_add(1);
      while (!go.load()) std::this_thread::yield();
      work(t);
    });
  const on_processor mine(0);
  while (ready.load() != threads - 1) std::this_thread::yield();
  const auto start = std::chrono::steady_clock::now();
  go.store(true);
  work(0);
  others.clear();  // joins
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// The best rate of several runs of about `target` seconds; `run(rounds)` returns seconds, `count(rounds)` the work.
template <class Run, class Count>
double best_rate(Run&& run, Count&& count, double target = 0.03, int repeats = 3) {
  long rounds = 1 << 12;
  while (run(rounds) < target / 2) rounds *= 2;
  double best = 0;
  for (int i = 0; i < repeats; ++i) best = std::max(best, count(rounds) / run(rounds));
  return best;
}

/// Receives results, so that the compiler keeps the work.
inline std::atomic<int> needed{0};

}  // namespace detail

/// Size in bytes of the buffer for measuring bandwidth: far larger than any cache.
inline constexpr long roof_buffer_bytes = 512L << 20;

/// Bytes/s read from memory with `threads` threads, 0 if the buffer cannot be mapped. Takes a sixth of a second, mostly
/// to map fresh memory. Releases the memory.
inline double probe_read_bytes(int threads, const roof_isa& isa) {
  void* memory = ::mmap(nullptr, roof_buffer_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 0;
  ::madvise(memory, roof_buffer_bytes, MADV_HUGEPAGE);
  auto* bytes = static_cast<char*>(memory);
  for (long i = 0; i < roof_buffer_bytes; i += 4096) bytes[i] = 1;
  const long share = roof_buffer_bytes / threads / 4096 * 4096;
  double best = 0;
  for (int i = 0; i < 5; ++i)
    best = std::max(best, static_cast<double>(share * threads) / detail::seconds_of(threads, [&](int t) {
                            detail::needed += isa.kernels->read(bytes + t * share, share);
                          }));
  ::munmap(memory, roof_buffer_bytes);
  return best;
}

/// Measures an instruction set with `threads` threads, in about a second. The kinds of product alternate: sometimes one
/// of them ran at half speed in run after run and the next did not, as if two virtual processors had shared a core for
/// some tenths of a second.
inline roofs probe_roofs(int threads, const roof_isa& isa) {
  const probe& k = *isa.kernels;
  roofs r{isa.name, threads};
  const auto raise = [threads](double& best, auto&& work, double operations(long)) {
    best = std::max(best, detail::best_rate(
                              [&](long rounds) {
                                return detail::seconds_of(
                                    threads, [&](int) { detail::needed += static_cast<int>(work(rounds)); });
                              },
                              [&](long rounds) { return threads * operations(rounds); }));
  };
  for (int turn = 0; turn < 3; ++turn) {
    raise(r.fma_flops, k.fma, k.fma_flops);
    raise(r.int8_ops, k.dot, k.dot_ops);
    raise(r.int16_ops, k.dot_16, k.dot_16_ops);
  }
  r.read_bytes = probe_read_bytes(threads, isa);
  return r;
}

/// The roofs in the widest instruction set.
inline roofs probe_roofs(int threads) { return probe_roofs(threads, roof_isas().front()); }

}  // namespace bench
