// SPDX-License-Identifier: Apache-2.0
#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <llava/base/executor.hpp>
#include <llava_catch.hpp>
#include <thread>

using namespace llava;

TEST_CASE("thread_pool: every piece of every job runs once", "[base][threads]") {
  for (int threads : {1, 2, 4}) {
    thread_pool pool(threads);
    CHECK(pool.concurrency() == threads);
    for (int pieces : {0, 1, 2, 3, 17}) {
      for (int job = 0; job < 300; ++job) {
        std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces));
        pool.parallel_for(pieces, [&](int i) { ++runs[static_cast<std::size_t>(i)]; });
        for (auto& n : runs) REQUIRE(n.load() == 1);
      }
    }
  }
}

TEST_CASE("thread_pool: is called from several threads, and from inside a piece", "[base][threads]") {
  thread_pool pool(3);
  std::atomic<int> sum{0};
  {
    std::vector<std::jthread> callers;
    for (int c = 0; c < 4; ++c)
      callers.emplace_back([&] {
        for (int job = 0; job < 200; ++job)
          pool.parallel_for(5, [&](int) { pool.parallel_for(3, [&](int) { ++sum; }); });
      });
  }
  CHECK(sum.load() == 4 * 200 * 15);
}

TEST_CASE("thread_pool: wakes sleeping threads for a new job", "[base][threads]") {
  thread_pool pool(2);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> n{0};
    pool.parallel_for(8, [&](int) { ++n; });
    CHECK(n.load() == 8);
  }
}

TEST_CASE("thread_pool: is destroyed right after construction", "[base][threads]") {
  for (int i = 0; i < 50; ++i) thread_pool pool(3);
  SUCCEED();
}

TEST_CASE("thread_pool: uses the threads that the system grants, and never more than its maximum", "[base][threads]") {
  // The process may create no more threads. It is a child process, because the limit cannot be raised again. Not with a
  // sanitizer, whose threads need memory of its own.
  const pid_t child = is_sanitized ? -1 : ::fork();
  if (child == 0) {
    rlimit none{0, 0};
    ::setrlimit(RLIMIT_AS, &none);  // no new stack can be mapped
    if (::mmap(nullptr, std::size_t{64} << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED)
      ::_exit(0);  // an emulator that ignores the limit
    thread_pool pool(64);
    std::atomic<int> runs{0};
    pool.parallel_for(10, [&](int) { ++runs; });
    ::_exit(pool.concurrency() < 64 && runs.load() == 10 ? 0 : 1);
  }
  if (child > 0) {
    int status = 0;
    ::waitpid(child, &status, 0);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }

  thread_pool most(1000000);
  CHECK(most.concurrency() <= thread_pool::most_threads);
  std::atomic<int> n{0};
  most.parallel_for(5000, [&](int) { ++n; });
  CHECK(n.load() == 5000);
  CHECK(thread_pool(-5).concurrency() >= 1);
}

TEST_CASE("thread_pool: has one thread per processor that the process may use", "[base][threads]") {
  cpu_set_t before, one;
  if (::sched_getaffinity(0, sizeof before, &before) != 0) return;
  CHECK(thread_pool().concurrency() == CPU_COUNT(&before));
  CPU_ZERO(&one);
  for (std::size_t i = 0; CPU_COUNT(&one) == 0; ++i)
    if (CPU_ISSET(i, &before)) CPU_SET(i, &one);
  REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
  CHECK(thread_pool().concurrency() == 1);
  CHECK(::sched_setaffinity(0, sizeof before, &before) == 0);
}

TEST_CASE("parallel_for_dynamic: runs every piece once, with slots below the concurrency and never shared",
          "[base][threads]") {
  thread_pool pool(3);
  for (const std::ptrdiff_t pieces : {0, 1, 2, 100}) {
    std::vector<std::atomic<int>> runs(static_cast<std::size_t>(pieces)), busy(3);
    std::atomic<int> clashes{0};
    parallel_for_dynamic(pool, pieces, [&](std::ptrdiff_t i, std::ptrdiff_t slot) {
      auto& taken = busy[static_cast<std::size_t>(slot)];
      if (taken.exchange(1)) ++clashes;
      ++runs[static_cast<std::size_t>(i)];
      taken = 0;
    });
    for (auto& n : runs) REQUIRE(n.load() == 1);
    CHECK(clashes.load() == 0);
  }
}

TEST_CASE("steady_executor: the concurrency does not change", "[base]") {
  struct growing final : executor {
    int said = 2;
    int concurrency() const override { return said; }
    void parallel_for(int pieces, function_ref<void(int)> piece) override {
      for (int i = 0; i < pieces; ++i) piece(i);
    }
  };
  const auto host = std::make_shared<growing>();
  steady_executor steady(host);
  host->said = 100;
  CHECK(steady.concurrency() == 2);
}
