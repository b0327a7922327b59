// SPDX-License-Identifier: Apache-2.0
/// cuBLASLt on the emulator: D = alpha · op(A) · op(B) + beta · C, with a bias for each row of D, all matrices in
/// columns, as NVIDIA's documentation has it. It refuses what the library refuses, and what a caller must not rely on:
/// an algorithm for another product, an address that is less aligned than was said, scratch memory that is too small.
/// The memory that a product reads must be initialised, and its scratch memory is overwritten.
#include "cublaslt.hpp"

#include <atomic>
#include <cmath>
#include <cstring>
#include <llava/base/dtype.hpp>

#include "memory.hpp"
#include "shadow.hpp"
#include "streams.hpp"

struct cublasLtContext {};

namespace {

using llava::emulator::cublaslt_settings;
using layout = cublasLtMatrixLayoutOpaque_t;

/// Bytes of scratch memory that each algorithm takes.
constexpr std::size_t scratch_bytes = 64 << 10;
std::atomic<long> products = 0, questions = 0;

bool fails(const char* call) { return cublaslt_settings().failing == call; }

template <class T>
cublasStatus_t store(T& to, const void* value, std::size_t bytes) {
  if (bytes != sizeof to) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&to, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

std::size_t size_of(std::int32_t type) { return type == CUDA_R_32F ? 4 : 2; }
float element(const layout& of, const void* matrix, std::uint64_t row, std::uint64_t column) {
  const std::uint64_t at = column * static_cast<std::uint64_t>(of.stride) + row;
  if (of.type == CUDA_R_32F) return static_cast<const float*>(matrix)[at];
  if (of.type == CUDA_R_16F) return llava::to_float(static_cast<const llava::f16*>(matrix)[at]);
  return llava::to_float(static_cast<const llava::bf16*>(matrix)[at]);
}
void write(const layout& of, void* matrix, std::uint64_t row, std::uint64_t column, float value) {
  const std::uint64_t at = column * static_cast<std::uint64_t>(of.stride) + row;
  if (of.type == CUDA_R_32F)
    static_cast<float*>(matrix)[at] = value;
  else if (of.type == CUDA_R_16F)
    static_cast<llava::f16*>(matrix)[at] = llava::from_float<llava::f16>(value);
  else
    static_cast<llava::bf16*>(matrix)[at] = llava::from_float<llava::bf16>(value);
}
/// What is wrong with the memory of a matrix that is read or written.
std::string check(const layout& of, const void* matrix, bool is_read) {
  for (std::uint64_t column = 0; column < of.columns; ++column) {
    const auto* const at =
        static_cast<const std::byte*>(matrix) + column * static_cast<std::uint64_t>(of.stride) * size_of(of.type);
    if (std::string found = llava::emulator::check_device(at, of.rows * size_of(of.type), is_read); !found.empty())
      return found;
  }
  return {};
}

/// A product: its description and layouts.
struct operation {
  cublasLtMatmulDescOpaque_t product;
  layout a, b, c, d;

  bool has(int which, std::uint64_t rows, std::uint64_t columns) const {
    const layout& of = which == 0 ? a : b;
    const bool turned = product.transposed[which] == CUBLAS_OP_T;
    return of.rows == (turned ? columns : rows) && of.columns == (turned ? rows : columns);
  }
  std::uint64_t inner() const { return product.transposed[0] == CUBLAS_OP_T ? a.rows : a.columns; }
  /// Whether sizes, strides and types go together.
  cublasStatus_t check() const {
    for (const layout* of : {&a, &b, &c, &d})
      if (of->rows == 0 || of->columns == 0 || of->stride < static_cast<std::int64_t>(of->rows))
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!has(0, d.rows, inner()) || !has(1, inner(), d.columns) || c.rows != d.rows || c.columns != d.columns)
      return CUBLAS_STATUS_INVALID_VALUE;
    const bool are_types = product.compute == CUBLAS_COMPUTE_32F && product.scale == CUDA_R_32F && a.type == b.type &&
                           c.type == d.type && (d.type == CUDA_R_32F || d.type == a.type);
    const bool is_end = product.epilogue == CUBLASLT_EPILOGUE_DEFAULT ||
                        (product.epilogue == CUBLASLT_EPILOGUE_BIAS && product.bias != nullptr);
    return are_types && is_end ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
  }
  /// A number that another operation does not have.
  std::uint64_t signature() const {
    std::uint64_t sum = 14695981039346656037u;
    const auto add = [&](std::uint64_t n) { sum = (sum ^ n) * 1099511628211u; };
    for (const layout* of : {&a, &b, &c, &d})
      add(static_cast<std::uint64_t>(of->type)), add(of->rows), add(of->columns),
          add(static_cast<std::uint64_t>(of->stride));
    for (const int turned : product.transposed) add(static_cast<std::uint64_t>(turned));
    add(product.epilogue);
    return sum;
  }

  std::string run(float alpha, const void* of_a, const void* of_b, float beta, const void* of_c, void* of_d,
                  std::byte* scratch, std::size_t bytes) const {
    llava::emulator::shadow::other_work();
    if (std::string found = llava::emulator::shadow::host_access(); !found.empty()) return found;
    layout of_bias{d.type, d.rows, 1, static_cast<std::int64_t>(d.rows)};
    const bool has_bias = product.epilogue == CUBLASLT_EPILOGUE_BIAS;
    for (std::string found :
         {::check(a, of_a, true), ::check(b, of_b, true), beta == 0.f ? std::string() : ::check(c, of_c, true),
          ::check(d, of_d, false), has_bias ? ::check(of_bias, product.bias, true) : std::string(),
          llava::emulator::check_device(scratch, bytes, false)})
      if (!found.empty()) return "cublasLtMatmul: " + found;
    std::memset(scratch, 0xff, scratch_bytes);
    std::memset(scratch + bytes - scratch_bytes, 0xff, scratch_bytes);
    for (std::uint64_t column = 0; column < d.columns; ++column) {
      for (std::uint64_t row = 0; row < d.rows; ++row) {
        float sum = 0.f;
        for (std::uint64_t k = 0; k < inner(); ++k)
          sum = std::fma(
              product.transposed[0] == CUBLAS_OP_T ? element(a, of_a, k, row) : element(a, of_a, row, k),
              product.transposed[1] == CUBLAS_OP_T ? element(b, of_b, column, k) : element(b, of_b, k, column), sum);
        sum *= alpha;
        if (beta != 0.f) sum += beta * element(c, of_c, row, column);
        if (has_bias) sum += element(of_bias, product.bias, row, 0);
        write(d, of_d, row, column, sum);
      }
      const std::size_t size = size_of(d.type);
      llava::emulator::shadow::initialise(
          static_cast<std::byte*>(of_d) + column * static_cast<std::uint64_t>(d.stride) * size, d.rows * size);
    }
    return {};
  }
};

}  // namespace

namespace llava::emulator {
cublaslt_options& cublaslt_settings() {
  static cublaslt_options options;
  return options;
}
cublaslt_counts cublaslt_calls() { return {products, questions}; }
}  // namespace llava::emulator

const char* cublasLtGetStatusName(cublasStatus_t s) {
  return s == CUBLAS_STATUS_NOT_INITIALIZED    ? "CUBLAS_STATUS_NOT_INITIALIZED"
         : s == CUBLAS_STATUS_ALLOC_FAILED     ? "CUBLAS_STATUS_ALLOC_FAILED"
         : s == CUBLAS_STATUS_INVALID_VALUE    ? "CUBLAS_STATUS_INVALID_VALUE"
         : s == CUBLAS_STATUS_EXECUTION_FAILED ? "CUBLAS_STATUS_EXECUTION_FAILED"
         : s == CUBLAS_STATUS_NOT_SUPPORTED    ? "CUBLAS_STATUS_NOT_SUPPORTED"
                                               : "CUBLAS_STATUS_SUCCESS";
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (fails("cublasLtCreate")) return cublaslt_settings().status;
  static cublasLtContext context;
  *handle = &context;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescInit(cublasLtMatmulDesc_t of, cublasComputeType_t compute, cudaDataType_t scale) {
  *of = {static_cast<std::int32_t>(compute), static_cast<std::int32_t>(scale), {}, CUBLASLT_EPILOGUE_DEFAULT, nullptr};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t of, cublasLtMatmulDescAttributes_t what,
                                              const void* value, std::size_t bytes) {
  if (what == CUBLASLT_MATMUL_DESC_EPILOGUE) return store(of->epilogue, value, bytes);
  if (what == CUBLASLT_MATMUL_DESC_BIAS_POINTER) return store(of->bias, value, bytes);
  return store(of->transposed[what == CUBLASLT_MATMUL_DESC_TRANSA ? 0 : 1], value, bytes);
}
cublasStatus_t cublasLtMatrixLayoutInit(cublasLtMatrixLayout_t of, cudaDataType_t type, std::uint64_t rows,
                                        std::uint64_t columns, std::int64_t stride) {
  *of = {static_cast<std::int32_t>(type), rows, columns, stride};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceInit(cublasLtMatmulPreference_t wish) {
  *wish = {0, CUBLASLT_REDUCTION_SCHEME_MASK, {256, 256, 256, 256}};
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t wish,
                                                    cublasLtMatmulPreferenceAttributes_t what, const void* value,
                                                    std::size_t bytes) {
  if (what == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES) return store(wish->workspace_bytes, value, bytes);
  if (what == CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK) return store(wish->sums, value, bytes);
  return store(wish->alignments[what - CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES], value, bytes);
}
cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t of,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t wish, int most,
                                              cublasLtMatmulHeuristicResult_t found[], int* count) {
  ++questions;
  *count = 0;
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (fails("cublasLtMatmulAlgoGetHeuristic")) return cublaslt_settings().status;
  const operation o{*of, *a, *b, *c, *d};
  if (most < 1) return CUBLAS_STATUS_INVALID_VALUE;
  if (const cublasStatus_t status = o.check(); status != CUBLAS_STATUS_SUCCESS) return status;
  const bool rounds_sums = (wish->sums & ~std::uint32_t{CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE}) != 0;
  if (cublaslt_settings().has_no_algorithm || rounds_sums || wish->workspace_bytes < scratch_bytes)
    return CUBLAS_STATUS_NOT_SUPPORTED;
  found[0] = {{{o.signature(), wish->alignments[0], wish->alignments[1], wish->alignments[2], wish->alignments[3]}},
              scratch_bytes,
              CUBLAS_STATUS_SUCCESS,
              1.f,
              {}};
  *count = 1;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t of, const void* alpha, const void* a,
                              cublasLtMatrixLayout_t of_a, const void* b, cublasLtMatrixLayout_t of_b, const void* beta,
                              const void* c, cublasLtMatrixLayout_t of_c, void* d, cublasLtMatrixLayout_t of_d,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, std::size_t workspace_bytes,
                              cudaStream_t stream) {
  if (handle == nullptr) return CUBLAS_STATUS_NOT_INITIALIZED;
  if (fails("cublasLtMatmul")) return cublaslt_settings().status;
  const operation o{*of, *of_a, *of_b, *of_c, *of_d};
  const void* const matrices[] = {a, b, c, d};
  for (int i = 0; i < 4; ++i)
    if (reinterpret_cast<std::uintptr_t>(matrices[i]) % algorithm->data[1 + i] != 0) return CUBLAS_STATUS_INVALID_VALUE;
  if (o.check() != CUBLAS_STATUS_SUCCESS || algorithm->data[0] != o.signature() || workspace_bytes < scratch_bytes ||
      reinterpret_cast<std::uintptr_t>(workspace) % 256 != 0 || (c == d && of_c->stride != of_d->stride))
    return CUBLAS_STATUS_INVALID_VALUE;
  ++products;
  const float by = *static_cast<const float*>(alpha), of_old = *static_cast<const float*>(beta);
  const std::string found = llava::emulator::tell(
      stream, [=] { return o.run(by, a, b, of_old, c, d, static_cast<std::byte*>(workspace), workspace_bytes); });
  return found.empty() ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_EXECUTION_FAILED;
}
