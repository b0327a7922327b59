// SPDX-License-Identifier: Apache-2.0
/// A backend that has what the ops of one file need: device memory and the queue; and the scalar backend beside it.
#pragma once
#include <closeness.hpp>
#include <cstring>
#include <llava/backend/cuda/memory.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/tensor/buffer.hpp>
#include <llava_catch.hpp>
#include <random>
#include <vector>

#include "schedules.hpp"

namespace cuda_test {

struct ops_backend {
  using queue = llava::cuda_backend::queue;
  template <class F>
  using operand = F;
  int device = 0;
  const llava::memory& memory() const { return llava::cuda_backend::device_memories[0]; }
};

/// A matrix or vector in a backend's memory.
template <class T>
struct array {
  llava::buffer memory;
  std::ptrdiff_t rows = 0, columns = 0;
  llava::matrix_view<T> matrix() const {
    return {reinterpret_cast<T*>(memory.data()), llava::dynamic_shape<2>(rows, columns)};
  }
  llava::vector_view<T> vector() const {
    return {reinterpret_cast<T*>(memory.data()), llava::dynamic_shape<1>(rows * columns)};
  }
  /// `count` columns from the column `first`, to read.
  llava::matrix_view<const T> slice(std::ptrdiff_t first, std::ptrdiff_t count) const {
    return llava::columns_of(matrix(), first, count);
  }
  operator llava::matrix_view<const T>() const { return matrix(); }
  operator llava::vector_view<const T>() const { return vector(); }
};

/// A queue of backend B, which copies between its memory and vectors.
template <class B>
struct device_of {
  B backend;
  llava::serial_executor threads;
  llava::buffer memory;
  typename B::queue queue;

  device_of()
      : memory(*backend.memory().try_allocate(std::size_t{1} << 20, "test")),
        queue(backend, threads, llava::arena(memory.data(), memory.size())) {}

  template <class T>
  array<T> put(const std::vector<T>& values, std::ptrdiff_t rows) {
    array<T> a{*backend.memory().try_allocate(values.size() * sizeof(T), "test"), rows,
               static_cast<std::ptrdiff_t>(values.size()) / rows};
    REQUIRE(a.memory.try_load(0, reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)));
    return a;
  }
  template <class T>
  std::vector<T> get(const array<T>& a) {
    std::vector<T> values(static_cast<std::size_t>(a.rows * a.columns));
    if constexpr (std::is_same_v<B, ops_backend>)
      queue.read(values.data(), a.memory.data(), values.size() * sizeof(T));
    else
      std::memcpy(values.data(), a.memory.data(), values.size() * sizeof(T));
    if (const auto ran = queue.finish(); !ran) FAIL(ran.error().what());
    return values;
  }
  /// The error of the queue, or an empty text.
  std::string error() {
    const auto ran = queue.finish();
    return ran ? std::string() : std::string(ran.error().sentence());
  }
};
using on_cuda = device_of<ops_backend>;

template <class T>
bool same_bytes(const std::vector<T>& a, const std::vector<T>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(T)) == 0;
}
template <class T = float>
std::vector<T> random_values(std::size_t n, unsigned seed, float scale = 1.f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.f, scale);
  std::vector<T> v(n);
  for (T& x : v) x = llava::from_float<T>(normal(engine));
  return v;
}

}  // namespace cuda_test
