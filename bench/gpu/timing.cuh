// SPDX-License-Identifier: Apache-2.0
/// The time that a device needs for what is queued in a stream, by events; on the emulator, the host's time. And random
/// values that the device writes.
#pragma once
#include <llava/backend/cuda/kernel.cuh>
#include <llava/backend/cuda/owned.cuh>

#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

namespace gpu {

using namespace llava::cuda_backend;

/// Calls queue() four times, then some times that are measured. Returns the seconds of each.
template <class Queue>
llava::result<std::vector<double>> try_time(const stream& s, int runs, Queue&& queue) {
  constexpr int warm_up = 4;
  std::vector<double> seconds;
#if defined(__CUDACC__)
  cudaEvent_t before = nullptr, after = nullptr;
  if (cudaEventCreate(&before) != cudaSuccess || cudaEventCreate(&after) != cudaSuccess)
    return cuda_error(cudaGetLastError(), "cudaEventCreate");
#endif
  for (int i = 0; i < warm_up + runs; ++i) {
#if defined(__CUDACC__)
    static_cast<void>(cudaEventRecord(before, s.native));
#else
    const auto start = std::chrono::steady_clock::now();
#endif
    LLAVA_CHECK(queue());
#if defined(__CUDACC__)
    static_cast<void>(cudaEventRecord(after, s.native));
#endif
    LLAVA_CHECK(finish(s));
#if defined(__CUDACC__)
    float milliseconds = 0;
    if (const cudaError_t code = cudaEventElapsedTime(&milliseconds, before, after); code != cudaSuccess)
      return cuda_error(code, "cudaEventElapsedTime");
    if (i >= warm_up) seconds.push_back(static_cast<double>(milliseconds) / 1e3);
#else
    if (i >= warm_up)
      seconds.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
#endif
  }
#if defined(__CUDACC__)
  static_cast<void>(cudaEventDestroy(before));
  static_cast<void>(cudaEventDestroy(after));
#endif
  return seconds;
}

/// Writes a figure as a line of JSON: {"figure": …, FACTS, "seconds": […]}.
inline void write_figure(const std::string& figure, const std::string& facts, const std::vector<double>& seconds) {
  std::printf("{\"figure\": \"%s\", %s, \"seconds\": [", figure.c_str(), facts.c_str());
  for (std::size_t i = 0; i < seconds.size(); ++i) std::printf("%s%.9g", i ? ", " : "", seconds[i]);
  std::printf("]}\n");
  std::fflush(stdout);
}

/// Device memory that this object owns.
class device_bytes {
 public:
  static llava::result<device_bytes> try_make(std::size_t bytes) {
    LLAVA_TRY(made, try_allocate(bytes));
    return device_bytes(made);
  }
  device_bytes(device_bytes&& other) noexcept : data_(std::exchange(other.data_, nullptr)) {}
  device_bytes& operator=(device_bytes&&) = delete;
  ~device_bytes() {
    if (data_) release(data_);
  }
  template <class T>
  T* as() const {
    return static_cast<T*>(data_);
  }

 private:
  explicit device_bytes(void* data) : data_(data) {}
  void* data_;
};

/// y[i] = a bf16 in [−1, 1] that depends on i, two to a word. Rates of products depend on the values: zeros are faster.
struct random_bf16 {
  static constexpr int threads = 256, min_blocks = 4;
  struct Params {
    std::uint32_t* y;
    long long words;
  };
  using Smem = no_shared_memory;
  static grid_size grid(const Params& p) { return {p.words < 264 * threads ? 1 : 264}; }
  LLAVA_DEVICE static float value(std::uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return static_cast<float>(static_cast<std::int32_t>(x ^ x >> 16)) * 0x1p-31f;
  }
  LLAVA_DEVICE static void run(const Params& p, Smem&) {
    const long long step = static_cast<long long>(grid_extents().x) * threads;
    for (long long i = block_index().x * threads + thread_index(); i < p.words; i += step) {
      const auto seed = static_cast<std::uint32_t>(i);
      p.y[i] = pack<llava::bf16>(value(2 * seed), value(2 * seed + 1)).bits;
    }
  }
};

}  // namespace gpu
