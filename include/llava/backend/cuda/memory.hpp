// SPDX-License-Identifier: Apache-2.0
/// device_memory: the memory of one CUDA device (contract: tensor/buffer.hpp).
#pragma once
#include <array>
#include <cstddef>

#include <llava/backend/cuda/runtime.hpp>
#include <llava/tensor/buffer.hpp>

LLAVA_CUDA_BEGIN

class device_memory final : public memory {
 public:
  constexpr explicit device_memory(int device) : device_(device) {}

  result<void> try_load(std::byte* to, const std::byte* from, std::size_t bytes) const override {
    const on_device here(device_);
    return checked(cudaMemcpy(to, from, bytes, cudaMemcpyHostToDevice), "cudaMemcpy",
                   text_of(bytes, " bytes to the device"));
  }
  void release(std::byte* at, std::size_t) const noexcept override {
    const on_device here(device_);
    static_cast<void>(cudaFree(at));
  }

 private:
  std::byte* allocate(std::size_t bytes) const noexcept override {
    const on_device here(device_);
    void* at = nullptr;
    if (cudaMalloc(&at, bytes) != cudaSuccess) {
      static_cast<void>(cudaGetLastError());
      return nullptr;
    }
    if (cudaMemset(at, 0, bytes) == cudaSuccess) return static_cast<std::byte*>(at);
    static_cast<void>(cudaGetLastError());
    static_cast<void>(cudaFree(at));
    return nullptr;
  }

  int device_;
};

/// The most devices that a program can use.
inline constexpr int most_devices = 16;
/// The memories of all devices, which live as long as the program.
inline constexpr auto device_memories = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<device_memory, most_devices>{device_memory(static_cast<int>(I))...};
}(std::make_index_sequence<most_devices>());

LLAVA_CUDA_END
