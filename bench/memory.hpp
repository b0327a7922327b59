// SPDX-License-Identifier: Apache-2.0
/// Memory for benchmarks: a device with a queue, activations, and weights that lie in memory rather than in a cache, as
/// a model's do.
#pragma once
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <llava/base/executor.hpp>
#include <llava/nn/block_weight.hpp>
#include <llava/quant/affine_blocks.hpp>
#include <llava/quant/blocks.hpp>
#include <llava/tensor/arena.hpp>
#include <llava/tensor/buffer.hpp>
#include <span>
#include <string>
#include <vector>

#include "harness.hpp"

namespace bench {

/// Element i of a stateless random sequence: uniform in [−1, 1). Elements can be computed in any order.
inline float random_at(std::uint64_t i) {
  std::uint64_t z = i * 0x9e3779b97f4a7c15u + 0x632be59bd9b4e019u;  // splitmix64
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<float>(static_cast<std::int32_t>((z ^ (z >> 31)) >> 32)) * 0x1p-31f;
}

/// Random values repeat after this number of elements. It is prime, so that the rows of a matrix differ. Filling
/// gigabytes is cheap.
inline constexpr std::size_t random_period = 1048573;
template <class T>
void fill_random(std::span<T> values, float scale = 1.f) {
  const std::size_t first = std::min(values.size(), random_period);
  for (std::size_t i = 0; i < first; ++i) values[i] = llava::from_float<T>(scale * random_at(i));
  for (std::size_t at = first; at < values.size(); at += first)
    std::memcpy(&values[at], values.data(), std::min(first, values.size() - at) * sizeof(T));
}

/// A matrix or vector. Floating-point elements are random; the caller sets elements of other types.
template <class T = float>
class array {
 public:
  explicit array(std::ptrdiff_t rows, std::ptrdiff_t columns, float scale = 1.f)
      : memory_(*llava::host_memory().try_allocate(static_cast<std::size_t>(rows * columns) * sizeof(T), "bench")),
        rows_(rows),
        columns_(columns) {
    if constexpr (llava::floating<T>) fill_random(values(), scale);
  }
  std::span<T> values() const {
    return {reinterpret_cast<T*>(memory_.data()), static_cast<std::size_t>(rows_ * columns_)};
  }
  llava::matrix_view<T> matrix() const { return {values().data(), llava::dynamic_shape<2>(rows_, columns_)}; }
  llava::vector_view<T> vector() const { return {values().data(), llava::dynamic_shape<1>(rows_ * columns_)}; }
  operator llava::matrix_view<T>() const { return matrix(); }
  operator llava::matrix_view<const T>() const { return matrix(); }
  operator llava::vector_view<const T>() const { return vector(); }

 private:
  llava::buffer memory_;
  std::ptrdiff_t rows_, columns_;
};

/// Threads, an arena larger than any op here needs, and a queue of backend B.
template <class B>
struct device {
  llava::thread_pool threads{chosen().threads};
  llava::buffer memory = *llava::host_memory().try_allocate(std::size_t{256} << 20, "bench");
  typename B::queue queue{B(), threads, llava::arena(memory.data(), memory.size())};

  /// Waits for the queued ops. Aborts on an error: the operands of a case always fit.
  void finish() {
    const auto ran = queue.finish();
    if (!ran) std::fprintf(stderr, "%s\n", ran.error().what()), std::abort();
  }
};

/// Bytes of the weight pool: twice the L3 cache, within 320 MiB … 1 GiB. Larger weights are not benchmarked.
inline std::size_t pool_bytes() {
  const long cache = ::sysconf(_SC_LEVEL3_CACHE_SIZE);
  return std::clamp(2 * static_cast<std::size_t>(std::max(0L, cache)), std::size_t{320} << 20, std::size_t{1} << 30);
}

/// The only pool: `bytes` bytes with the contents that `key` names, filled by make(span) unless they are there already.
/// Cases with the same weights follow each other, Google Benchmark starts each several times, and fresh memory is slow
/// to get. A new key invalidates earlier spans. Not a template: each instance would have its own pool.
inline std::span<std::byte> pool_holding(const std::string& key, std::size_t bytes,
                                         const std::function<void(std::span<std::byte>)>& make) {
  static llava::buffer memory;
  static std::string held;
  if (memory.size() < bytes) {
    memory = {};  // freed first: there may not be room for both
    memory = *llava::host_memory().try_allocate(std::max(bytes, pool_bytes()), "bench");
    held.clear();
  }
  const std::span<std::byte> pool(memory.data(), bytes);
  if (held != key) make(pool);
  held = key;
  return pool;
}

/// Weights (N, K) of format F in the layout of backend B. `at(i)` is a different matrix for each i until the pool is
/// used up: a benchmark that increments i reads memory as a model's layers do. `row(n, values)` writes row n of at(0),
/// for references.
template <class B, class F>
class weight_pool;

template <class B, llava::floating F>
class weight_pool<B, F> {
 public:
  weight_pool(std::ptrdiff_t rows, std::ptrdiff_t columns) : rows_(rows), columns_(columns) {
    const auto fill = [](std::span<std::byte> pool) {
      fill_random(std::span(reinterpret_cast<F*>(pool.data()), pool.size() / sizeof(F)), 0.05f);
    };
    const auto pool =
        pool_holding(std::string(llava::format<F>::name), pool_bytes(), fill);  // for matrices of any size
    values_ = {reinterpret_cast<const F*>(pool.data()), pool.size() / sizeof(F)};
  }
  llava::weight_view<B, F> at(std::size_t i) const {
    const std::size_t n = static_cast<std::size_t>(rows_ * columns_);
    return {values_.data() + i % (values_.size() / n) * n, llava::dynamic_shape<2>(rows_, columns_)};
  }
  void row(std::ptrdiff_t n, std::vector<double>& to) const {
    for (std::size_t k = 0; k < to.size(); ++k)
      to[k] = static_cast<double>(llava::to_float(values_[static_cast<std::size_t>(n * columns_) + k]));
  }

 private:
  std::ptrdiff_t rows_, columns_;
  std::span<const F> values_;
};

/// The pool of a coded format: copies of one packed matrix.
template <class B, llava::coded_format F>
class coded_pool {
  using layout = typename B::template layout<F>;

 public:
  /// `from` is the matrix that is packed; it is read only if the pool holds another one.
  coded_pool(std::ptrdiff_t rows, std::ptrdiff_t columns, const llava::row_source& from)
      : rows_(rows), columns_(columns) {
    const llava::tensor_dims dims{rows, columns};
    llava::weight<B, F> one;
    bytes_ = one.bytes_needed(from, dims);
    count_ = std::max<std::size_t>(1, pool_bytes() / bytes_);
    const std::string size = std::to_string(rows) + "x" + std::to_string(columns);
    memory_ = pool_holding(std::string(F::name) + " in " + std::string(layout::name) + " " + size, count_ * bytes_,
                           [&](std::span<std::byte> pool) {
                             llava::thread_pool threads;
                             if (!one.try_fill(from, dims, "bench", llava::host_memory(), &threads))
                               std::abort();  // fails only if memory for one matrix is refused
                             for (std::size_t i = 0; i < count_; ++i)
                               std::memcpy(pool.data() + i * bytes_, one.packed().data(), bytes_);
                           });
  }
  llava::weight_view<B, F> at(std::size_t i) const {
    return layout::make_view(memory_.data() + i % count_ * bytes_, rows_, columns_);
  }

 private:
  std::ptrdiff_t rows_, columns_;
  std::size_t bytes_, count_;
  std::span<const std::byte> memory_;
};

/// Rows of random floats.
class random_rows final : public llava::row_source {
 public:
  explicit random_rows(std::ptrdiff_t columns) : columns_(columns) {}
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    for (std::int64_t i = 0; i < count * columns_; ++i)
      to[i] = 0.05f * random_at(static_cast<std::size_t>(first * columns_ + i) % random_period);
  }

 private:
  std::ptrdiff_t columns_;
};

template <class B, llava::block_format F>
class weight_pool<B, F> {
 public:
  weight_pool(std::ptrdiff_t rows, std::ptrdiff_t columns) : from_(columns), pool_(rows, columns, from_) {}
  llava::weight_view<B, F> at(std::size_t i) const { return pool_.at(i); }
  void row(std::ptrdiff_t n, std::vector<double>& to) const {
    const auto columns = static_cast<std::ptrdiff_t>(to.size());
    std::vector<std::byte> stored(static_cast<std::size_t>(llava::block_view<F>::row_bytes(columns)));
    std::vector<float> values(to.size()), decoded(to.size());
    from_.read(n, 1, values.data());
    F::encode(values.data(), columns, stored.data());
    llava::decode_row<F>(stored.data(), columns, decoded.data());
    to.assign(decoded.begin(), decoded.end());
  }

 private:
  random_rows from_;
  coded_pool<B, F> pool_;
};

/// Rows of random bytes in an affine format, whose scales are small: any bytes of a file are weights.
template <llava::affine_format F>
class random_affine_rows final : public llava::row_source {
 public:
  random_affine_rows(std::ptrdiff_t rows, std::ptrdiff_t columns)
      : columns_(columns),
        bytes_(llava::format<F>::bytes(static_cast<std::size_t>(rows), static_cast<std::size_t>(columns))) {
    for (std::size_t i = 0; i < bytes_.size(); ++i)
      bytes_[i] = static_cast<std::byte>(static_cast<int>(128.f * random_at(i % random_period)));
    for (std::size_t at = F::scale_at; at < bytes_.size(); at += F::block_bytes)
      for (std::size_t i = at; i < at + (F::has_minimum ? 4 : 2); i += 2)
        llava::write_number(bytes_.data() + i, llava::from_float<llava::f16>(0.001f * random_at(i)));
  }
  std::string_view coded_as() const noexcept override { return F::name; }
  const std::byte* stored_row(std::int64_t r) const noexcept override {
    return bytes_.data() + r * llava::affine_view<F>::row_bytes(columns_);
  }
  void read(std::int64_t first, std::int64_t count, float* to) const noexcept override {
    const std::byte* block = stored_row(first);
    for (std::int64_t k = 0; k < count * columns_; k += F::elements, block += F::block_bytes)
      llava::decode_affine<F>(block, to + k);
  }

 private:
  std::ptrdiff_t columns_;
  std::vector<std::byte> bytes_;
};

template <class B, llava::affine_format F>
class weight_pool<B, F> {
 public:
  weight_pool(std::ptrdiff_t rows, std::ptrdiff_t columns) : from_(rows, columns), pool_(rows, columns, from_) {}
  llava::weight_view<B, F> at(std::size_t i) const { return pool_.at(i); }
  void row(std::ptrdiff_t n, std::vector<double>& to) const {
    std::vector<float> values(to.size());
    from_.read(n, 1, values.data());
    to.assign(values.begin(), values.end());
  }

 private:
  random_affine_rows<F> from_;
  coded_pool<B, F> pool_;
};

/// Normalised mean squared error, Σ (x − reference)² / Σ reference², accumulated element by element.
class nmse {
 public:
  void add(double x, double reference) {
    error_ += (x - reference) * (x - reference);
    power_ += reference * reference;
  }
  double value() const { return error_ / (power_ + 1e-30); }

 private:
  double error_ = 0, power_ = 0;
};

/// At most `most` indices of [0, n), spread evenly, including the first and the last.
inline std::vector<std::ptrdiff_t> spread_indices(std::ptrdiff_t n, std::ptrdiff_t most) {
  std::vector<std::ptrdiff_t> chosen_ones;
  const std::ptrdiff_t count = std::min(n, most);
  for (std::ptrdiff_t i = 0; i < count; ++i) chosen_ones.push_back(count == 1 ? 0 : i * (n - 1) / (count - 1));
  return chosen_ones;
}

}  // namespace bench
