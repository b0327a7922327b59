// SPDX-License-Identifier: Apache-2.0
#include <llava/backend/cuda/memory.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava_catch.hpp>

#include <numeric>
#include <vector>

namespace {
namespace cb = llava::cuda_backend;

struct on_first_device {
  int device = 0;
};

/// y[i] += by
struct add_number {
  static constexpr int threads = 64, min_blocks = 1;
  struct Params {
    float* y;
    float by;
    int n;
  };
  using Smem = cb::no_shared_memory;
  static cb::grid_size grid(const Params& p) { return {(p.n + threads - 1) / threads}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const int i = cb::block_index().x * threads + cb::thread_index();
    if (i < p.n) p.y[i] += p.by;
  }
};

/// Reports row 7 of 5.
struct report_fault {
  static constexpr int threads = 32, min_blocks = 1;
  struct Params {
    cb::row_fault* fault;
  };
  using Smem = cb::no_shared_memory;
  static cb::grid_size grid(const Params&) { return {1}; }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    if (cb::thread_index() == 0 && p.fault->op == cb::row_op::none) *p.fault = {cb::row_op::gather_rows, 3, 0, 7, 5};
  }
};

struct fixture {
  llava::serial_executor threads;
  llava::buffer memory;
  cb::queue q;
  explicit fixture(std::size_t bytes = std::size_t{16} << 20)
      : memory(*cb::device_memories[0].try_allocate(bytes, "test")),
        q(on_first_device{}, threads, llava::arena(memory.data(), memory.size())) {}
  float* floats() const { return reinterpret_cast<float*>(memory.data()); }
  std::vector<float> get(std::size_t n) {
    std::vector<float> values(n, -1.f);
    q.read(values.data(), floats(), n * sizeof(float));
    return values;
  }
};
}  // namespace

TEST_CASE("memory of a device begins as zeros, and transfers of more than the pinned memory arrive whole") {
  fixture f;
  std::vector<float> sent(3 * cb::staging::capacity / sizeof(float) / 2 + 5);
  CHECK((f.get(10) == std::vector<float>(10, 0.f)));
  std::iota(sent.begin(), sent.end(), 1.f);
  f.q.write(f.floats(), sent.data(), sent.size() * sizeof(float));
  const std::vector<float> expected = sent;
  sent.assign(sent.size(), 0.f);                // upload has read its source
  CHECK((f.get(expected.size()) == expected));  // nobody reads a million numbers
  CHECK(f.q.finish());
}

TEST_CASE("a kernel runs no sooner than somebody waits, in the order of its launch") {
  fixture f;
  f.q.launch<add_number>({f.floats(), 1.f, 100});
  f.q.launch<add_number>({f.floats(), 2.f, 50});
  f.q.launch<add_number>({f.floats(), 4.f, 0});
  const auto y = f.get(101);
  CHECK((y[0] == 3.f && y[49] == 3.f && y[50] == 1.f && y[99] == 1.f && y[100] == 0.f));
}

TEST_CASE("a queue records a shape when it comes again, and repeats the recording with what memory then holds") {
  fixture f;
  int calls = 0;
  const auto step = [&](int shape) {
    f.q.replay(shape, [&] {
      ++calls;
      f.q.launch<add_number>({f.floats(), static_cast<float>(shape), 10});
    });
  };
  step(1), step(1), step(1), step(100), step(1);
  CHECK(f.get(1)[0] == 104.f);
  CHECK(calls == 3);  // run, recorded; another shape
  for (int shape = 200; shape < 200 + static_cast<int>(cb::recordings::most); ++shape) step(shape);
  calls = 0;
  step(1);
  CHECK(calls == 1);  // forgotten
  CHECK(f.q.finish());
}

TEST_CASE(
    "an error of the device is that of the queue: nothing is downloaded, later ops do nothing, finish() clears it") {
  fixture f;
  f.q.launch<report_fault>({f.q.fault()});
  CHECK(f.get(2) == std::vector<float>(2, -1.f));
  f.q.launch<add_number>({f.floats(), 1.f, 10});
  const auto found = f.q.finish();
  REQUIRE(!found);
  CHECK(found.error().sentence() == "llava: gather_rows: from[3] is 7, expected less than the number of rows, 5");
  CHECK(f.get(1) == std::vector<float>(1, 0.f));
  CHECK(f.q.finish());
}

TEST_CASE("a started read waits for the ops before it and for no others, and two may be under way") {
  fixture f;
  std::vector<float> first(200, -1.f), second(10, -1.f), sent(10, 50.f);
  f.q.launch<add_number>({f.floats(), 1.f, 200});
  const auto a = f.q.start_read(first.data(), f.floats(), 200 * sizeof(float));
  f.q.launch<add_number>({f.floats(), 2.f, 200});
  const auto b = f.q.start_read(second.data(), f.floats(), 10 * sizeof(float));
  CHECK(first[0] == -1.f);
  REQUIRE(f.q.finish(a));
  CHECK((first == std::vector<float>(200, 1.f)));
  CHECK(second[0] == -1.f);
  f.q.write(f.floats(), sent.data(), 10 * sizeof(float));  // behind the second read
  f.q.launch<report_fault>({f.q.fault()});
  REQUIRE(f.q.finish(b));
  CHECK((second == std::vector<float>(10, 3.f)));

  const auto c = f.q.start_read(first.data(), f.floats(), 10 * sizeof(float));  // behind a fault
  const std::string sentence = "llava: gather_rows: from[3] is 7, expected less than the number of rows, 5";
  for (int i = 0; i < 2; ++i) {  // the error stays until finish()
    const auto found = f.q.finish(c);
    REQUIRE(!found);
    CHECK(found.error().sentence() == sentence);
  }
  CHECK(first[0] == 1.f);
  CHECK(f.q.finish().error().sentence() == sentence);
  CHECK(f.get(1)[0] == 50.f);
}

TEST_CASE("uploads behind started reads reuse pinned memory that is free again, and no other") {
  fixture f;
  const std::size_t n = cb::staging::capacity / sizeof(float) / 3;  // the third wraps around
  std::vector<float> sent(n), found[2] = {std::vector<float>(n), std::vector<float>(n)};
  llava::download_ticket tickets[2];
  for (int i = 0; i < 12; ++i) {
    sent.assign(n, static_cast<float>(i));
    f.q.write(f.floats(), sent.data(), n * sizeof(float));
    sent.assign(n, -1.f);
    if (i >= 1) {
      REQUIRE(f.q.finish(tickets[(i - 1) % 2]));
      CHECK((found[(i - 1) % 2] == std::vector<float>(n, static_cast<float>(i - 1))));
    }
    tickets[i % 2] = f.q.start_read(found[i % 2].data(), f.floats(), n * sizeof(float));
  }
}

TEST_CASE("a load of many pieces leaves its source at once; ops that follow find all of it, and its error") {
  fixture f(4 * cb::loads::piece);
  std::vector<float> sent(3 * cb::loads::piece / sizeof(float) + 5);
  std::iota(sent.begin(), sent.end(), 1.f);
  const std::vector<float> expected = sent;
  REQUIRE(f.memory.try_load(0, reinterpret_cast<const std::byte*>(sent.data()), sent.size() * sizeof(float)));
  sent.assign(sent.size(), 0.f);
  CHECK(cb::loads_of(0).pending());  // the last two pieces
  f.q.launch<add_number>({f.floats(), 10.f, 1});
  CHECK_FALSE(cb::loads_of(0).pending());
  auto found = f.get(expected.size());
  CHECK(found[0] == 11.f);
  found[0] = 1.f;
  CHECK((found == expected));

  const float value = 5.f;
  const auto* const bytes = reinterpret_cast<const std::byte*>(&value);
  REQUIRE(f.memory.try_load(4 * cb::loads::piece, bytes, sizeof value));  // past the end, which the device finds
  f.q.launch<add_number>({f.floats(), 10.f, 1});
  const auto wrong = f.q.finish();
  REQUIRE(!wrong);
  CHECK(wrong.error().sentence().find("not within one allocation") != std::string::npos);
  CHECK(f.get(1)[0] == 11.f);  // the op did nothing
  REQUIRE(f.memory.try_load(0, bytes, sizeof value));
  CHECK(f.get(1)[0] == 5.f);
}

TEST_CASE("a queue that plans launches nothing") {
  llava::serial_executor threads;
  cb::queue q(on_first_device{}, threads, llava::arena{});
  q.launch<report_fault>({nullptr});
  q.write(nullptr, nullptr, 100);
  CHECK(q.finish());
}
