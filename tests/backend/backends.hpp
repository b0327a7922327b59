// SPDX-License-Identifier: Apache-2.0
/// One test body for all backends: for_each_backend([]<class B>() { … }), with a device<B> that holds memory, a queue
/// and threads. Tests compare results with references in double precision (R15).
#pragma once
#include <closeness.hpp>
#include <cstring>
#include <llava/backend/scalar.hpp>
#include <llava/backend/simd.hpp>
#if LLAVA_TEST_EIGEN
#include <llava/backend/eigen.hpp>
#endif
#include <llava_catch.hpp>
#include <random>
#include <vector>

#include "remote.hpp"

/// Calls test.operator()<B>() for every backend that this machine can run.
template <class F>
void for_each_backend(F&& test) {
  const auto run = [&]<class B>() {
    INFO("backend " << std::string(B::name));
    test.template operator()<B>();
  };
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
}

/// A matrix or vector of a test, in a backend's memory.
template <class T>
struct device_array {
  llava::buffer memory;
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

template <class B>
struct device {
  B backend;
  llava::thread_pool threads;
  llava::buffer memory;
  typename B::queue queue;

  explicit device(int thread_count = 2, std::size_t arena_bytes = std::size_t{8} << 20)
      : threads(thread_count),
        memory(*backend.memory().try_allocate(arena_bytes, "test")),
        queue(backend, threads, llava::arena(memory.data(), memory.size())) {}

  template <class T>
  device_array<T> put(const std::vector<T>& values, std::ptrdiff_t rows) {
    device_array<T> a{*backend.memory().try_allocate(values.size() * sizeof(T), "test"), rows,
                      static_cast<std::ptrdiff_t>(values.size()) / rows};
    REQUIRE(a.memory.try_load(0, reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)));
    return a;
  }
  template <class T>
  std::vector<T> get(const device_array<T>& a) {
    std::vector<T> values(static_cast<std::size_t>(a.rows * a.columns));
    download(queue, std::span<T>(values), llava::vector_view<const T>(a.vector()));
    if (const auto ran = queue.finish(); !ran) FAIL(ran.error().what());
    return values;
  }
};

/// Backends whose sums have the bytes that the contract states: all that fuse multiply-add.
template <class F>
void for_each_exact_backend(F&& test) {
  for_each_backend([&]<class B>() {
    if constexpr (!std::is_same_v<B, llava::simd_as<llava::simd_isa::generic>>)
      if (llava::best_isa() != llava::simd_isa::generic) test.template operator()<B>();
  });
}

template <class T = float>
std::vector<T> random_values(std::size_t n, unsigned seed, float scale = 1.f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.f, scale);
  std::vector<T> v(n);
  for (T& x : v) x = llava::from_float<T>(normal(engine));
  return v;
}

inline bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
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
