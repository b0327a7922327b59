// SPDX-License-Identifier: Apache-2.0
/// device_memory: the memory of one CUDA device (contract: tensor/buffer.hpp).
#pragma once
#include <array>
#include <cstddef>
#include <utility>

#include <llava/backend/cuda/loads.cuh>
#include <llava/backend/cuda/owned.cuh>
#include <llava/tensor/buffer.hpp>

LLAVA_CUDA_BEGIN

class device_memory final : public memory {
 public:
  constexpr explicit device_memory(int device) : device_(device) {}

  result<void> try_load(std::byte* to, const std::byte* from, std::size_t bytes) const override {
    const on_device here(device_);
    return loads_of(device_).try_copy(device_, to, from, bytes);
  }
  void release(std::byte* at, std::size_t) const noexcept override {
    const on_device here(device_);
    static_cast<void>(loads_of(device_).settle());  // no copy to it is under way
    cuda_backend::release(at);
  }

 private:
  std::byte* allocate(std::size_t bytes) const noexcept override {
    const on_device here(device_);
    auto made = cuda_backend::try_allocate(bytes);
    if (!made) return nullptr;
    const stream all{{}, device_};
    if (fill(all, *made, 0, bytes) && cuda_backend::finish(all)) return static_cast<std::byte*>(*made);
    cuda_backend::release(*made);
    return nullptr;
  }

  int device_;
};

/// The memories of all devices, which live as long as the program.
inline constexpr auto device_memories = []<std::size_t... I>(std::index_sequence<I...>) {
  return std::array<device_memory, most_devices>{device_memory(static_cast<int>(I))...};
}
(std::make_index_sequence<most_devices>());

LLAVA_CUDA_END
