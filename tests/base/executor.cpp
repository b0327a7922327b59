// SPDX-License-Identifier: Apache-2.0
#include <llava/base/executor.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("thread_pool: every piece runs once, job after job", "[base][threads]") {
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

TEST_CASE("thread_pool: callers from several threads, and from inside a piece", "[base][threads]") {
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

TEST_CASE("thread_pool: sleeps and wakes", "[base][threads]") {
  thread_pool pool(2);
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> n{0};
    pool.parallel_for(8, [&](int) { ++n; });
    CHECK(n.load() == 8);
  }
}

TEST_CASE("thread_pool: made and dropped at once", "[base][threads]") {
  for (int i = 0; i < 50; ++i) thread_pool pool(3);
  SUCCEED();
}
