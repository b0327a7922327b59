// SPDX-License-Identifier: Apache-2.0
/// Launches: the blocks of a grid, shared among OS threads. What a launch computes or reports does not depend on their
/// number: blocks share nothing that is not synchronised, and of several mistakes that of the first block is reported.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

#include "block.hpp"
#include "llava_cuda_host.hpp"
#include "memory.hpp"
#include "options.hpp"
#include "shadow.hpp"

namespace llava::emulator {
namespace {

std::atomic<long> launched = 0;

/// What an OS thread needs to run blocks. It is kept for later launches.
struct worker {
  static constexpr std::size_t arena_bytes = 256 << 10, gap = 4 << 10;
  std::byte* const arena = allocate_bytes(arena_bytes);  // of shared memory, with gaps around what a block may use
  stacks memory;
  block b;
};

/// The workers that no launch uses.
class worker_pool {
 public:
  std::unique_ptr<worker> take() {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return std::make_unique<worker>();
    std::unique_ptr<worker> w = std::move(idle_.back());
    idle_.pop_back();
    return w;
  }
  void give_back(std::unique_ptr<worker> w) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(w));
  }

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<worker>> idle_;
};
worker_pool& pool() {
  static worker_pool& p = *new worker_pool;  // never destroyed, like the device memory of its workers
  return p;
}

/// Makes the block ready to run: new threads, shared memory that holds NaN.
void begin(worker& w, const cuda_host::launch_options& o, const std::array<int, 3>& index, void (*run)(const void*),
           const void* params) {
  block& b = w.b;
  const auto count = static_cast<std::size_t>(o.threads);
  b.index = index;
  b.grid = o.grid;
  b.threads.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    thread& t = b.threads[i];
    t.state = thread_state::running;
    t.index = static_cast<unsigned>(i);
    t.copies.clear();
    t.groups.clear();
    t.has_waited_for_kernels = false;
  }
  b.warps.resize(count / warp_size);
  for (warp& each : b.warps) each.arrived = each.epoch = 0;
  b.shared_bytes = o.shared_bytes;
  b.shared = w.arena + (worker::arena_bytes - worker::gap - o.shared_bytes) / 128 * 128;
  b.alive = static_cast<unsigned>(count);
  b.arrived = 0;
  b.any = b.was_any = false;
  b.joined.clear();
  b.is_programmatic = o.programmatic;
  b.run = run;
  b.params = params;
  b.found.clear();
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(w.arena, worker::arena_bytes);
  ASAN_UNPOISON_MEMORY_REGION(b.shared, b.shared_bytes);
#endif
  if (b.shared_bytes > 0) std::memset(b.shared, 0xff, b.shared_bytes);
  shadow::begin_block(b, w.arena, worker::arena_bytes);
}

}  // namespace
}  // namespace llava::emulator

namespace llava::emulator {
long launches() { return launched; }
}  // namespace llava::emulator

namespace llava::cuda_host {

using namespace emulator;

std::string launch_now(const launch_options& o, void (*run)(const void*), const void* params) {
  if (std::string found = shadow::host_access(); !found.empty()) return found;
  ++launched;
  shadow::begin_launch(params, o.params_bytes, o.programmatic);
  const auto [nx, ny, nz] = o.grid;
  const std::int64_t blocks = std::int64_t{nx} * ny * nz;
  const unsigned schedule = settings().schedule;
  std::atomic<std::int64_t> next = 0, failed = blocks;  // the first block that failed: none after it is started
  std::mutex mutex;
  std::string found;

  const auto work = [&] {
    std::unique_ptr<worker> w = pool().take();
    for (std::int64_t i; (i = next++) < failed.load();) {
      const std::int64_t at = schedule == 1 ? blocks - 1 - i : i;
      const std::array<int, 3> index{static_cast<int>(at % nx), static_cast<int>(at / nx % ny),
                                     static_cast<int>(at / nx / ny)};
      begin(*w, o, index, run, params);
      run_to_end(w->b, w->memory, schedule);
      if (w->b.found.empty()) continue;
      const std::lock_guard lock(mutex);
      if (i < failed.load()) {
        failed = i;
        found = w->b.found;
      }
    }
#if defined(__SANITIZE_ADDRESS__)
    ASAN_UNPOISON_MEMORY_REGION(w->arena, worker::arena_bytes);
#endif
    pool().give_back(std::move(w));
  };

  const unsigned wanted = settings().workers > 0 ? settings().workers : std::thread::hardware_concurrency();
  // A thread for few blocks costs more than it gains, unless a test asks for it.
  const std::int64_t useful = settings().workers > 0 ? blocks : blocks / 16;
  const auto count = is_checked() ? 1 : std::clamp<std::int64_t>(useful, 1, wanted > 0 ? wanted : 1);
  std::vector<std::thread> others;
  for (std::int64_t i = 1; i < count; ++i) others.emplace_back(work);
  work();
  for (std::thread& t : others) t.join();
  return found;
}

}  // namespace llava::cuda_host
