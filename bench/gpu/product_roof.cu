// SPDX-License-Identifier: Apache-2.0
/// The rate of cuBLASLt's products of bf16 with f32 sums: the roof of prefill and of the tower. Needs -lcublasLt. The
/// values are random; the shapes are a large square, and the products of 640 rows of LLaVA-1.5-7B.
///
///   product_roof [RUNS]
#include <cublasLt.h>

#include <cstdlib>
#include <initializer_list>
#include <utility>

#include "timing.cuh"

namespace gpu {
namespace {

llava::result<void> checked(cublasStatus_t status, const char* call) {
  if (status == CUBLAS_STATUS_SUCCESS) return {};
  return llava::fail(llava::errc::device_failed,
                     llava::text_of("llava: ", call, " failed: ", cublasLtGetStatusString(status)));
}

/// y (M, N) = x (M, K) · w (N, K)ᵀ, row-major, as cuBLAS sees it: yᵀ = w · xᵀ in columns.
llava::result<void> measure(cublasLtHandle_t handle, const stream& s, int m, int n, int k, int runs) {
  const auto size = [](int rows, int columns) {
    return std::size_t{2} * static_cast<std::size_t>(rows) * static_cast<std::size_t>(columns);
  };
  constexpr std::size_t workspace_bytes = std::size_t{64} << 20;
  LLAVA_TRY(x, device_bytes::try_make(size(m, k)));
  LLAVA_TRY(w, device_bytes::try_make(size(n, k)));
  LLAVA_TRY(y, device_bytes::try_make(size(m, n)));
  LLAVA_TRY(workspace, device_bytes::try_make(workspace_bytes));
  LLAVA_CHECK(launch<random_bf16>(s, {x.as<std::uint32_t>(), static_cast<long long>(size(m, k) / 4)}));
  LLAVA_CHECK(launch<random_bf16>(s, {w.as<std::uint32_t>(), static_cast<long long>(size(n, k) / 4)}));

  cublasLtMatmulDesc_t product = nullptr;
  cublasLtMatrixLayout_t of_w = nullptr, of_x = nullptr, of_y = nullptr;
  cublasLtMatmulPreference_t preference = nullptr;
  const cublasOperation_t transposed = CUBLAS_OP_T;
  const auto um = static_cast<std::uint64_t>(m), un = static_cast<std::uint64_t>(n), uk = static_cast<std::uint64_t>(k);
  LLAVA_CHECK(checked(cublasLtMatmulDescCreate(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescCreate"));
  LLAVA_CHECK(
      checked(cublasLtMatmulDescSetAttribute(product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed),
              "cublasLtMatmulDescSetAttribute"));
  LLAVA_CHECK(checked(cublasLtMatrixLayoutCreate(&of_w, CUDA_R_16BF, uk, un, k), "cublasLtMatrixLayoutCreate"));
  LLAVA_CHECK(checked(cublasLtMatrixLayoutCreate(&of_x, CUDA_R_16BF, uk, um, k), "cublasLtMatrixLayoutCreate"));
  LLAVA_CHECK(checked(cublasLtMatrixLayoutCreate(&of_y, CUDA_R_16BF, un, um, n), "cublasLtMatrixLayoutCreate"));
  LLAVA_CHECK(checked(cublasLtMatmulPreferenceCreate(&preference), "cublasLtMatmulPreferenceCreate"));
  LLAVA_CHECK(checked(cublasLtMatmulPreferenceSetAttribute(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
                                                           &workspace_bytes, sizeof workspace_bytes),
                      "cublasLtMatmulPreferenceSetAttribute"));
  cublasLtMatmulHeuristicResult_t ways[8];
  int found = 0;
  LLAVA_CHECK(
      checked(cublasLtMatmulAlgoGetHeuristic(handle, product, of_w, of_x, of_y, of_y, preference, 8, ways, &found),
              "cublasLtMatmulAlgoGetHeuristic"));
  if (found == 0) return llava::fail(llava::errc::unsupported, "llava: cuBLASLt has no algorithm for this product");

  // All that its heuristic proposes are measured; the fastest counts.
  const float one = 1, zero = 0;
  for (int way = 0; way < found; ++way) {
    LLAVA_TRY(seconds, try_time(s, runs, [&] {
                return checked(cublasLtMatmul(handle, product, &one, w.as<void>(), of_w, x.as<void>(), of_x, &zero,
                                              y.as<void>(), of_y, y.as<void>(), of_y, &ways[way].algo,
                                              workspace.as<void>(), workspace_bytes, s.native),
                               "cublasLtMatmul");
              }));
    write_figure("product", llava::text_of("\"m\": ", m, ", \"n\": ", n, ", \"k\": ", k, ", \"way\": ", way), seconds);
  }
  static_cast<void>(cublasLtMatmulPreferenceDestroy(preference));
  for (const auto layout : {of_w, of_x, of_y}) static_cast<void>(cublasLtMatrixLayoutDestroy(layout));
  static_cast<void>(cublasLtMatmulDescDestroy(product));
  return {};
}

llava::result<void> run(int runs) {
  LLAVA_TRY(devices, try_count_devices());
  static_cast<void>(devices);
  LLAVA_TRY(owned, owned_stream::try_make(0));
  cublasLtHandle_t handle = nullptr;
  LLAVA_CHECK(checked(cublasLtCreate(&handle), "cublasLtCreate"));
  LLAVA_CHECK(measure(handle, owned.get(), 8192, 8192, 8192, runs));
  using columns = std::initializer_list<std::pair<int, int>>;  // N, K
  for (const auto& [n, k] : columns{{12288, 4096}, {4096, 4096}, {22016, 4096}, {4096, 11008}})
    LLAVA_CHECK(measure(handle, owned.get(), 640, n, k, runs));
  for (const auto& [n, k] : columns{{3072, 1024}, {4096, 1024}, {1024, 4096}})
    LLAVA_CHECK(measure(handle, owned.get(), 577, n, k, runs));
  static_cast<void>(cublasLtDestroy(handle));
  return {};
}

}  // namespace
}  // namespace gpu

int main(int argc, char** argv) {
  const auto done = gpu::run(argc > 1 ? std::atoi(argv[1]) : 11);
  if (done) return 0;
  std::fprintf(stderr, "%s\n", done.error().sentence().c_str());
  return done.error().code() == llava::errc::unsupported ? 77 : 1;
}
