// SPDX-License-Identifier: Apache-2.0
/// The CUDA backend, opt-in: every stage runs on one NVIDIA GPU. Translation units that open a model on it are compiled
/// by nvcc; a program compiled otherwise links one of them and calls it through chat_model (docs/cuda.md).
#pragma once
#include <llava/backend/cuda/attention.cuh>
#include <llava/backend/cuda/elementwise.cuh>
#include <llava/backend/cuda/kv_layout.cuh>
#include <llava/backend/cuda/layout.cuh>
#include <llava/backend/cuda/matmul.cuh>
#include <llava/backend/cuda/memory.cuh>
#include <llava/backend/cuda/norm.cuh>
#include <llava/backend/cuda/owned.cuh>
#include <llava/backend/cuda/paged_attention.cuh>
#include <llava/backend/cuda/patchify.cuh>
#include <llava/backend/cuda/queue.cuh>
#include <llava/backend/cuda/resize.cuh>
#include <llava/backend/cuda/rope.cuh>
#include <llava/backend/cuda/rows.cuh>
#include <llava/backend/cuda/sample.cuh>
#include <llava/ops/backend.hpp>
#include <llava/quant/layout.hpp>

LLAVA_BEGIN

/// The CUDA backend, on the device with this number.
struct cuda {
  static constexpr std::string_view name = "cuda";
  static constexpr bool reads_host_memory = false;
  /// Decode splits long sums among the threads of a block, prefill does not: a row's last bits depend on its batch,
  /// unless the backend is cuda_deterministic.
  static constexpr bool batch_deterministic = false;
  using queue = cuda_backend::queue;

  int device = 0;

  const llava::memory& memory() const { return cuda_backend::device_memories[static_cast<unsigned>(device)]; }
  template <class F>
  using operand = cuda_backend::operand_for<F>;
  template <class T>
  using kv_layout = cuda_backend::kv_layout<T>;
  template <coded_format F>
  using layout = cuda_backend::layout_for<F>;

  /// Errors: there is no such device.
  result<void> try_check() const {
    LLAVA_TRY(count, cuda_backend::try_count_devices());
    if (device < 0 || device >= count || device >= cuda_backend::most_devices)
      return fail(errc::invalid_argument, text_of("llava: the CUDA device is ", device, ", expected 0 to ", count - 1,
                                                  ", since this machine has ", count));
    return {};
  }
};

/// cuda with rows that depend on themselves alone: not on the other rows of a step, nor on chunks (R14). Each product
/// and each attention has one kernel for all numbers of rows; docs/cuda.md says what that costs.
struct cuda_deterministic : cuda {
  static constexpr std::string_view name = "cuda_deterministic";
  static constexpr bool batch_deterministic = true;
};

LLAVA_END
