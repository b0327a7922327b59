// SPDX-License-Identifier: Apache-2.0
/// The eigen backend: Eigen computes matrix products, the scalar backend computes everything else. Opt-in: needs Eigen
/// 3.4 (CMake target llava::eigen). It is a baseline, and connects to programs that use Eigen through the conversions
/// of eigen/bridge.hpp.
///
/// Eigen uses the instruction set that the compiler targets: -march=native makes it several times faster.
#pragma once
#include <llava/backend/eigen/bridge.hpp>
#include <llava/backend/eigen/matmul.hpp>
#include <llava/backend/eigen/queue.hpp>
#include <llava/backend/scalar.hpp>
#include <llava/ops/backend.hpp>

LLAVA_BEGIN

/// Matrix products computed by Eigen.
struct eigen {
  static constexpr std::string_view name = "eigen";
  static constexpr bool reads_host_memory = true;
  static constexpr bool batch_deterministic = false;  // Eigen chooses kernels by the sizes of a product
  using queue = eigen_backend::queue;
  const llava::memory& memory() const { return host_memory(); }
  template <class F>
  using operand = float;
  template <class T>
  using kv_layout = block_kv_layout<T>;
  template <coded_format F>
  using layout = stored_layout<F>;
};

LLAVA_END
