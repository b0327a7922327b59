// SPDX-License-Identifier: Apache-2.0
/// A queue of the CUDA backend with matrices in its memory, for tests of ops.
#pragma once
#include <cstddef>
#include <llava/backend/cuda/memory.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/base/dtype.hpp>
#include <llava_catch.hpp>
#include <random>
#include <vector>

namespace cuda_test {

/// A matrix or vector in device memory.
template <class T>
struct device_matrix {
  llava::buffer memory;
  std::ptrdiff_t rows = 0, columns = 0;

  llava::matrix_view<T> matrix() const {
    return {reinterpret_cast<T*>(memory.data()), llava::dynamic_shape<2>(rows, columns)};
  }
  llava::vector_view<T> vector() const {
    return {reinterpret_cast<T*>(memory.data()), llava::dynamic_shape<1>(rows * columns)};
  }
};

struct device_queue {
  struct backend {
    int device = 0;
  };
  struct deterministic_backend : backend {
    static constexpr bool batch_deterministic = true;
  };
  llava::serial_executor threads;
  llava::buffer memory;
  llava::cuda_backend::queue queue;

  template <class B = backend>
  explicit device_queue(std::size_t bytes = std::size_t{16} << 20, const B& of = {})
      : memory(allocate(bytes)), queue(of, threads, llava::arena(memory.data(), memory.size())) {}

  static llava::buffer allocate(std::size_t bytes) {
    return llava::cuda_backend::device_memories[0].try_allocate(bytes, "test").value();
  }
  template <class T>
  device_matrix<T> put(const std::vector<T>& values, std::ptrdiff_t rows) {
    device_matrix<T> m{allocate(values.size() * sizeof(T)), rows, static_cast<std::ptrdiff_t>(values.size()) / rows};
    queue.write(m.memory.data(), values.data(), values.size() * sizeof(T));
    return m;
  }
  /// The elements as floats.
  template <class T>
  std::vector<float> get(const device_matrix<T>& m) {
    std::vector<T> values(static_cast<std::size_t>(m.rows * m.columns));
    queue.read(values.data(), m.memory.data(), values.size() * sizeof(T));
    if (const auto done = queue.finish(); !done) FAIL(done.error().what());
    std::vector<float> floats;
    for (const T x : values) floats.push_back(llava::cuda_backend::to_f32(x));
    return floats;
  }
};

inline std::vector<float> random_values(std::size_t n, unsigned seed, float scale = 1.f) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal(0.f, scale);
  std::vector<float> v(n);
  for (float& x : v) x = normal(engine);
  return v;
}

}  // namespace cuda_test
