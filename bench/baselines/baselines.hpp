// SPDX-License-Identifier: Apache-2.0
/// Third-party matrix products, as backends that have only matmul. Each is a source file of its own, which CMake
/// compiles if it finds the library. eigen.cpp is compiled for the instruction set of the build machine, because Eigen
/// selects its instructions at compile time.
#pragma once
#include <llava/backend/eigen/queue.hpp>
#include <llava/backend/host_queue.hpp>
#include <llava/ops/matmul.hpp>
#include <string_view>

#include "../harness.hpp"

namespace bench::baselines {

using llava::epilogue, llava::matrix_view;

/// The operands of every library are floats.
struct baseline {
  template <class F>
  using operand = float;
};

struct eigen_queue : llava::eigen_backend::queue {
  using llava::eigen_backend::queue::queue;
};
void matmul(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const llava::f32> w,
            epilogue<>);
void matmul(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const llava::f16> w,
            epilogue<>);
void matmul(eigen_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const llava::bf16> w,
            epilogue<>);
struct eigen : baseline {
  static constexpr std::string_view name = "eigen_native";
  using queue = eigen_queue;
};

struct openblas_queue : llava::host_queue {
  using llava::host_queue::host_queue;
};
void matmul(openblas_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const float> w,
            epilogue<>);
struct openblas : baseline {
  static constexpr std::string_view name = "openblas";
  using queue = openblas_queue;
};

struct onednn_queue : llava::host_queue {
  using llava::host_queue::host_queue;
};
void matmul(onednn_queue& q, matrix_view<float> y, matrix_view<const float> x, matrix_view<const float> w, epilogue<>);
struct onednn : baseline {
  static constexpr std::string_view name = "onednn";
  using queue = onednn_queue;
};

namespace detail {
template <class B, class F, class Case>
void add_if_supported(const Case& c) {
  static_assert(llava::ops::has_matmul<B, llava::f32>,
                "the library is compiled in, but its f32 matmul would not be benchmarked");
  if constexpr (llava::ops::has_matmul<B, F>) bench::add<B>(c);
}
}  // namespace detail

/// Registers a product with weights F for each library that was found and supports F.
template <class F, class Case>
void add([[maybe_unused]] const Case& c) {
#if LLAVA_BENCH_EIGEN
  detail::add_if_supported<eigen, F>(c);
#endif
#if LLAVA_BENCH_OPENBLAS
  detail::add_if_supported<openblas, F>(c);
#endif
#if LLAVA_BENCH_ONEDNN
  detail::add_if_supported<onednn, F>(c);
#endif
}

}  // namespace bench::baselines
