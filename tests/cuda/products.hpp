// SPDX-License-Identifier: Apache-2.0
/// A backend that has the products of the CUDA backend only, and what tests of them need.
#pragma once
#include <llava/backend/cuda/layout.cuh>
#include <llava/backend/cuda/matmul.cuh>
#include <llava/backend/cuda/memory.cuh>
#include <llava/base/executor.hpp>
#include <llava/quant/affine_blocks.hpp>
#include <llava/tensor/row_source.hpp>

#include <cstring>
#include <random>
#include <utility>
#include <vector>

#include "llava_catch.hpp"
#include "schedules.hpp"

namespace cuda_products {

using namespace llava;

/// T, K, N.
struct sizes {
  std::size_t rows, inner, columns;
};

/// The products of the CUDA backend.
struct products {
  static constexpr std::string_view name = "cuda products";
  static constexpr bool reads_host_memory = false, batch_deterministic = false;
  using queue = cuda_backend::queue;
  int device = 0;
  const llava::memory& memory() const { return cuda_backend::device_memories[0]; }
  template <class F>
  using operand = cuda_backend::operand_for<F>;
  template <coded_format F>
  using layout = cuda_backend::layout_for<F>;
};

/// A matrix in a backend's memory.
template <class T>
struct array_of {
  buffer memory;
  std::ptrdiff_t rows, columns;
  matrix_view<T> matrix() const { return {reinterpret_cast<T*>(memory.data()), dynamic_shape<2>(rows, columns)}; }
  vector_view<T> vector() const { return {reinterpret_cast<T*>(memory.data()), dynamic_shape<1>(rows * columns)}; }
};

/// Memory and a queue of B.
template <class B>
struct device {
  B backend;
  thread_pool threads{2};
  buffer memory;
  typename B::queue queue;

  device()
      : memory(*backend.memory().try_allocate(std::size_t{8} << 20, "test")),
        queue(backend, threads, arena(memory.data(), memory.size())) {}

  template <class T>
  array_of<T> put(const std::vector<T>& values, std::size_t rows) {
    array_of<T> a{*backend.memory().try_allocate(values.size() * sizeof(T), "test"), static_cast<std::ptrdiff_t>(rows),
                  static_cast<std::ptrdiff_t>(values.size() / rows)};
    REQUIRE(a.memory.try_load(0, reinterpret_cast<const std::byte*>(values.data()), values.size() * sizeof(T)));
    return a;
  }
  template <class T>
  std::vector<T> get(const array_of<T>& a) {
    std::vector<T> values(static_cast<std::size_t>(a.rows * a.columns));
    const std::size_t bytes = values.size() * sizeof(T);
    if constexpr (B::reads_host_memory)
      std::memcpy(values.data(), a.memory.data(), bytes);
    else
      queue.read(values.data(), a.memory.data(), bytes);
    if (const auto ran = queue.finish(); !ran) FAIL(ran.error().what());
    return values;
  }
};

template <class T = float>
std::vector<T> random_values(std::size_t n, unsigned seed) {
  std::mt19937 engine(seed);
  std::normal_distribution<float> normal;
  std::vector<T> v(n);
  for (T& x : v) x = from_float<T>(normal(engine));
  return v;
}

/// A matrix of random bytes in affine format F, whose f16 scales are finite and small.
template <class F>
class stored_in_format final : public row_source {
 public:
  explicit stored_in_format(const sizes& s) : columns_(static_cast<std::int64_t>(s.inner)) {
    std::mt19937 random(2);
    bytes_.resize(format<F>::bytes(s.columns, s.inner));
    for (std::byte& b : bytes_) b = static_cast<std::byte>(random());
    for (std::size_t at = 0; at < bytes_.size(); at += F::block_bytes) {
      const auto half = [&](int offset) {
        const float size = 0.0001f * static_cast<float>(random() % 1000);
        write_number(bytes_.data() + at + static_cast<std::size_t>(offset),
                     from_float<f16>(random() % 2 ? size : -size));
      };
      half(F::scale_at);
      if (F::has_minimum) half(F::scale_at + 2);
    }
  }
  host_values in_place() const noexcept override { return {dtype::uint8, bytes_.data(), F::name}; }
  std::string_view coded_as() const noexcept override { return F::name; }
  const std::byte* stored_row(std::int64_t r) const noexcept override {
    return bytes_.data() + r * affine_view<F>::row_bytes(columns_);
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t at = 0; at < count * columns_; at += F::elements)
      decode_affine<F>(stored_row(first) + at / F::elements * F::block_bytes, to + at);
  }

 private:
  std::vector<std::byte> bytes_;
  std::int64_t columns_;
};

/// Runs `run` under a schedule of the emulator.
template <class F>
void with_schedule(unsigned schedule, F run) {
  cuda_test::set_schedule(schedule);
  run();
  cuda_test::set_schedule(0);
}

}  // namespace cuda_products
