// SPDX-License-Identifier: Apache-2.0
/// Kernels as types, and their launch. A kernel is a struct:
///
/// ```cpp
/// struct scale {
///   static constexpr int threads = 256, min_blocks = 1;      // of a block; blocks that fit a multiprocessor
///   struct Params { const float* x; float* y; float by; int n; };
///   using Smem = no_shared_memory;                           // or a struct: the shared memory of a block
///   static grid_size grid(const Params& p) { return {(p.n + threads - 1) / threads}; }
///   LLAVA_DEVICE static void run(const Params& p, Smem&) {
///     const int i = block_index().x * threads + thread_index();
///     if (i < p.n) p.y[i] = p.x[i] * p.by;
///   }
/// };
/// launch<scale>(s, {x, y, 2.f, n});                          // result<void>
/// ```
///
/// A kernel that declares `static constexpr bool programmatic_launch = true` may start before its predecessor has
/// ended; it calls wait_for_previous_kernels(). A kernel may be a template with parameters of any kind: the only
/// `__global__` template takes it as a type, because nvcc 13.0 cannot link one with a parameter of class type.
#pragma once
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>

#include <llava/backend/cuda/device.cuh>
#include <llava/backend/cuda/runtime.cuh>
#include <llava/base/error.hpp>
#include <llava/base/macros.hpp>

LLAVA_CUDA_BEGIN

/// The Smem of a kernel that uses no shared memory.
struct no_shared_memory {};

/// The most shared memory of a block, in bytes, on sm_90 and sm_100. sm_80 has 163 KiB, sm_89 and sm_120 have 99 KiB.
inline constexpr std::size_t largest_shared_memory = 227 * 1024;

/// A kernel. The entry point gives run() the parameters by value and the shared memory of the block.
template <class K>
concept kernel = K::threads % warp_size == 0 && K::threads >= warp_size&& K::threads <= 1024 && K::min_blocks >= 1 &&
                 std::is_trivially_copyable_v<typename K::Params> &&
                 sizeof(typename K::Params) <= 4096 && std::is_trivially_destructible_v<typename K::Smem> &&
                 sizeof(typename K::Smem) <= largest_shared_memory&& requires(const typename K::Params& p,
                                                                              typename K::Smem& smem) {
  { K::grid(p) } -> std::same_as<grid_size>;
  K::run(p, smem);
};

/// The bytes of shared memory of a block of K.
template <class K>
inline constexpr std::size_t shared_bytes = std::is_empty_v<typename K::Smem> ? 0 : sizeof(typename K::Smem);

namespace detail {
template <class K>
constexpr bool is_programmatic() {
  if constexpr (requires { K::programmatic_launch; })
    return K::programmatic_launch;
  else
    return false;
}
/// One sentence for each rule of the concept.
template <class K>
constexpr void check_kernel() {
  static_assert(K::threads % 32 == 0 && K::threads >= 32 && K::threads <= 1024,
                "llava: a kernel's threads are a multiple of 32, at most 1024");
  static_assert(K::min_blocks >= 1, "llava: a kernel's min_blocks is at least 1");
  static_assert(std::is_trivially_copyable_v<typename K::Params>,
                "llava: a kernel's Params are copied to the device as bytes, so they must be trivially copyable");
  static_assert(sizeof(typename K::Params) <= 4096, "llava: a kernel's Params have at most 4096 bytes");
  static_assert(std::is_trivially_destructible_v<typename K::Smem>,
                "llava: nobody destroys a kernel's Smem, so it must be trivially destructible");
  static_assert(sizeof(typename K::Smem) <= largest_shared_memory, "llava: a kernel's Smem has at most 227 KiB");
  static_assert(kernel<K>, "llava: a kernel has grid(params), which returns a grid_size, and run(params, smem)");
}
/// The name of K as this compiler spells it.
template <class K>
constexpr std::string_view kernel_name() {
  std::string_view all = __PRETTY_FUNCTION__;
  for (const std::string_view before : {"[with K = ", "[K = "})
    if (const std::size_t at = all.find(before); at != all.npos) {
      all.remove_prefix(at + before.size());
      return all.substr(0, all.find_last_of(";]") < all.find(';') ? all.find_last_of(']') : all.find(';'));
    }
  return all;
}
}  // namespace detail

#if defined(__CUDACC__)
/// The entry point of every kernel.
template <class K>
__global__ void __launch_bounds__(K::threads, K::min_blocks) entry(const __grid_constant__ typename K::Params p) {
  K::run(p, shared<typename K::Smem>());
}
#endif

/// Queues K in the stream. A grid without blocks is nothing to do. An error names the kernel, its grid, and the call
/// that failed. On the device, an error while it runs is returned by a later call, such as finish(). On the host it
/// runs at once, and the error is what the emulator found.
template <class K>
result<void> launch(const stream& s, const typename K::Params& p) {
  detail::check_kernel<K>();
  const grid_size grid = K::grid(p);
  const launch_shape shape{detail::kernel_name<K>(), grid, K::threads, shared_bytes<K>};
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return {};
  if (grid.x < 0 || grid.y < 0 || grid.z < 0 || grid.y > 65535 || grid.z > 65535)
    return fail(errc::invalid_argument, "llava: the grid is too large for a launch of " + text_of_launch(shape));
#if defined(__CUDACC__)
  if constexpr (shared_bytes < K >> 48 * 1024) {  // the default limit
    static per_device_flag is_set;
    if (!is_set.get(s.device)) {
      const cudaError_t code = cudaFuncSetAttribute(entry<K>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                                    static_cast<int>(shared_bytes<K>));
      if (code != cudaSuccess) return cuda_error(code, "cudaFuncSetAttribute for " + text_of_launch(shape));
      is_set.set(s.device);
    }
  }
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(static_cast<unsigned>(grid.x), static_cast<unsigned>(grid.y), static_cast<unsigned>(grid.z));
  config.blockDim = dim3(K::threads);
  config.dynamicSmemBytes = shared_bytes<K>;
  config.stream = s.native;
  cudaLaunchAttribute attribute = {};
  if (detail::is_programmatic<K>() && s.programmatic) {
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    config.attrs = &attribute;
    config.numAttrs = 1;
  }
  if (const cudaError_t code = cudaLaunchKernelEx(&config, entry<K>, p); code != cudaSuccess)
    return cuda_error(code, "cudaLaunchKernelEx for " + text_of_launch(shape));
  return {};
#else
  const auto run = [](const void* params) {
    K::run(*static_cast<const typename K::Params*>(params), shared<typename K::Smem>());
  };
  const cuda_host::launch_options options{{grid.x, grid.y, grid.z},
                                          K::threads,
                                          shared_bytes<K>,
                                          sizeof(typename K::Params),
                                          detail::is_programmatic<K>() && s.programmatic};
  if (std::string found = cuda_host::launch(s.native, options, run, &p); !found.empty())
    return fail(errc::device_failed, "llava: " + text_of_launch(shape) + ": " + found);
  return {};
#endif
}

LLAVA_CUDA_END
