// SPDX-License-Identifier: Apache-2.0
/// One test body for all backends: for_each_backend([]<class B>() { … }), with a device<B> that holds memory, a queue
/// and threads. Tests compare results with references in double precision (R15). llava_tests runs them on the backends
/// of the host. Compiled with LLAVA_TEST_ON_CUDA they run on llava::cuda and the emulator (tests/cuda).
#pragma once
#include <closeness.hpp>
#include <cstring>
#include <deque>
#include <llava/backend/scalar.hpp>
#include <llava_catch.hpp>
#include <random>
#include <span>
#include <vector>
#if LLAVA_TEST_ON_CUDA
#include <llava/backend/cuda.hpp>
#if !defined(__CUDACC__)
#include "cuda/emulator/options.hpp"
#endif
#else
#include <llava/backend/simd.hpp>
#if LLAVA_TEST_EIGEN
#include <llava/backend/eigen.hpp>
#endif

#include "remote.hpp"
#endif

/// Calls test.operator()<B>() for every backend of this program that this machine can run.
template <class F>
void for_each_backend(F&& test) {
  const auto run = [&]<class B>() {
    INFO("backend " << std::string(B::name));
    test.template operator()<B>();
  };
#if LLAVA_TEST_ON_CUDA
  run.template operator()<llava::cuda>();
#else
  run.template operator()<llava::scalar>();
  run.template operator()<llava::simd>();
  run.template operator()<llava::simd_as<llava::simd_isa::generic>>();
#if defined(__x86_64__)
  if (llava::is_supported(llava::simd_isa::avx2)) run.template operator()<llava::simd_as<llava::simd_isa::avx2>>();
  if (llava::is_supported(llava::simd_isa::avx512)) run.template operator()<llava::simd_as<llava::simd_isa::avx512>>();
  if (llava::is_supported(llava::simd_isa::avx512vnni))
    run.template operator()<llava::simd_as<llava::simd_isa::avx512vnni>>();
  if (llava::is_supported(llava::simd_isa::amx)) run.template operator()<llava::simd_as<llava::simd_isa::amx>>();
#endif
#if LLAVA_TEST_EIGEN
  run.template operator()<llava::eigen>();
#endif
  run.template operator()<remote>();
#endif
}

/// Those whose rows do not depend on their batch (R14).
template <class F>
void for_each_deterministic_backend(F&& test) {
#if LLAVA_TEST_ON_CUDA
  test.template operator()<llava::cuda_deterministic>();
#else
  for_each_backend([&]<class B>() {
    if constexpr (llava::is_batch_deterministic<B>) test.template operator()<B>();
  });
#endif
}

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0);
}

#if LLAVA_TEST_ON_CUDA
/// Bytes of a queue's arena. On the emulator memory takes time: each byte has a state.
inline constexpr std::size_t default_arena_bytes = std::size_t{2} << 20;
/// Of one product. More would take long.
inline constexpr std::ptrdiff_t most_multiplications = 1'000'000;
/// The element type of the inputs of products with weights in format F (ops/operand.hpp), on all backends of a program.
template <class F>
using operand = llava::operand_of<llava::cuda, F>;
/// Calls test.operator()<T>() for each element type of operands, which norms, attention, gates and patchify write.
template <class F>
void for_each_operand(F&& test) {
  test.template operator()<float>();
  test.template operator()<llava::f16>();
  test.template operator()<llava::bf16>();
}
/// The updates that tests cross with formats of weights. On a device the ends of all products are the same code.
inline constexpr llava::update format_updates[] = {llava::update::add};
/// Whether sums are equal to those that the contract states: to the byte, or on a device, which adds in an order of its
/// own, almost.
inline bool same_sums(const std::vector<float>& a, const std::vector<float>& b) {
  return nmse(a, {b.begin(), b.end()}) < 1e-11;
}
/// Backends that same_sums() is for: of the host, all that fuse multiply-add.
template <class F>
void for_each_exact_backend(F&& test) {
  for_each_backend(test);
}
#else
inline constexpr std::size_t default_arena_bytes = std::size_t{8} << 20;
inline constexpr std::ptrdiff_t most_multiplications = PTRDIFF_MAX;
template <class F>
using operand = float;
template <class F>
void for_each_operand(F&& test) {
  test.template operator()<float>();
}
inline constexpr llava::update format_updates[] = {llava::update::assign, llava::update::add, llava::update::multiply};
inline bool same_sums(const std::vector<float>& a, const std::vector<float>& b) { return same_bytes(a, b); }
template <class F>
void for_each_exact_backend(F&& test) {
  for_each_backend([&]<class B>() {
    if constexpr (!std::is_same_v<B, llava::simd_as<llava::simd_isa::generic>>)
      if (llava::best_isa() != llava::simd_isa::generic) test.template operator()<B>();
  });
}
#endif

/// The nmse that rounding to T explains. R15 allows 1e-7 in f32 and 5e-4 in half.
template <class T>
inline constexpr double rounding = std::is_same_v<T, float>        ? 1e-11
                                   : std::is_same_v<T, llava::f16> ? 1e-6
                                                                   : 5e-5;

/// Runs test() under several orders of the threads of a device.
template <class F>
void for_each_schedule(F&& test) {
#if LLAVA_TEST_ON_CUDA && !defined(__CUDACC__)
  for (const unsigned schedule : {1u, 5u}) {
    CAPTURE(schedule);
    llava::emulator::settings().schedule = schedule;
    test();
  }
  llava::emulator::settings().schedule = 0;
#endif
  test();
}

/// A matrix or vector of a test, in the memory of a device<B>.
template <class T>
struct device_array {
  std::span<std::byte> memory;
  std::ptrdiff_t rows = 0, columns = 0;
  llava::matrix_view<T> matrix() const {
    return {reinterpret_cast<T*>(memory.data()), llava::dynamic_shape<2>(rows, columns)};
  }
  llava::vector_view<T> vector() const {
    return {reinterpret_cast<T*>(memory.data()), llava::dynamic_shape<1>(rows * columns)};
  }
  operator llava::matrix_view<T>() const { return matrix(); }
  operator llava::matrix_view<const T>() const { return matrix(); }
  operator llava::vector_view<const T>() const { return vector(); }
};

/// A queue, and the memory of its arena and of matrices. Ops may run until the queue waits, so what they use must live
/// until then. The device keeps its matrices longer than its queue. Other memory, that of weights, is the test's: at
/// its end the device waits, and an error that nobody asked for fails the test, in a checked program of the emulator
/// also that of an op whose weight was freed before it ran.
template <class B>
struct device {
  B backend;
  llava::thread_pool threads;
  llava::buffer memory;
  std::deque<llava::buffer> matrices;
  typename B::queue queue;

  explicit device(int thread_count = 2, std::size_t arena_bytes = default_arena_bytes)
      : threads(thread_count),
        memory(*backend.memory().try_allocate(arena_bytes, "test")),
        queue(backend, threads, llava::arena(memory.data(), memory.size())) {}
  device(const device&) = delete;
  device& operator=(const device&) = delete;
  ~device() {
    if (const std::string found = error(); !found.empty()) FAIL_CHECK("at the end of a device: " << found);
  }

  template <class T>
  device_array<T> put(const std::vector<T>& values, std::ptrdiff_t rows) {
    llava::buffer& kept = matrices.emplace_back(*backend.memory().try_allocate(values.size() * sizeof(T), "test"));
    REQUIRE(kept.try_load(0, reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)));
    return {{kept.data(), kept.size()}, rows, static_cast<std::ptrdiff_t>(values.size()) / rows};
  }
  template <class T>
  std::vector<T> get(const device_array<T>& a) {
    std::vector<T> values(static_cast<std::size_t>(a.rows * a.columns));
    download(queue, std::span<T>(values), llava::vector_view<const T>(a.vector()));
    if (const auto ran = queue.finish(); !ran) FAIL(ran.error().what());
    return values;
  }
  /// The error of the queue, or an empty text.
  std::string error() {
    const auto ran = queue.finish();
    return ran ? std::string() : std::string(ran.error().sentence());
  }
};

template <class T = float>
std::vector<T> random_values(std::size_t n, unsigned seed, float scale = 1.f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;  // times `scale`, which may be 0
  std::vector<T> v(n);
  for (T& x : v) x = llava::from_float<T>(normal(engine) * scale);
  return v;
}

/// y[i] = times[i] · A(x[i]): the epilogue of a product with K = 1.
template <class B, class A>
std::vector<float> activated(const std::vector<float>& x, const std::vector<float>& times) {
  device<B> d;
  const auto one = d.put(std::vector<float>{1.f}, 1), w = d.put(x, static_cast<std::ptrdiff_t>(x.size())),
             y = d.put(times, 1);
  matmul(d.queue, y.matrix(), llava::matrix_view<const float>(one.matrix()),
         llava::matrix_view<const float>(w.matrix()), llava::epilogue<A>{{}, llava::update::multiply});
  return d.get(y);
}
