// SPDX-License-Identifier: Apache-2.0
/// cublaslt: products of many rows by NVIDIA's cuBLASLt.
///
/// It has its matrices in columns: a matrix of rows is the transpose of one with columns of the same elements. So
/// y (T, N) is D (N, T) = Aᵀ · B with A = w (K, N) and B = x (K, T), and the bias has an element for each row of D.
///
/// Its heuristic names an algorithm for types, sizes, strides and alignments; it takes microseconds, so what it names
/// is kept. Sums of an algorithm that splits K are f32 (CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE), never rounded to the
/// type of y in between. All descriptions lie on the stack, and scratch memory is the caller's: a product allocates
/// nothing, and may be recorded in a graph.
#pragma once
#include <cublasLt.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <llava/backend/cuda/blas.cuh>
#include <llava/backend/cuda/loads.cuh>

LLAVA_CUDA_BEGIN

class cublaslt final : public blas {
 public:
  /// The most algorithms that are kept; then all are forgotten.
  static constexpr std::size_t most = 512;

  result<void> try_prepare() override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (handle_ != nullptr) return {};
    cublasLtHandle_t made = nullptr;
    LLAVA_CHECK(checked(cublasLtCreate(&made), "cublasLtCreate", nullptr));
    handle_ = made;
    return {};
  }

  result<bool> try_multiply(const stream& s, const blas_product& p, void* workspace) override {
    description of{};
    LLAVA_CHECK(of.try_make(p));
    cublasLtMatmulAlgo_t algorithm{};
    LLAVA_TRY(is_known, try_find(p, of, algorithm));
    if (!is_known) return false;
    const float one = 1.f, of_old = p.adds ? 1.f : 0.f;
    LLAVA_CHECK(checked(cublasLtMatmul(handle_, &of.product, &one, p.w, &of.w, p.x, &of.x, &of_old, p.y, &of.y, p.y,
                                       &of.y, &algorithm, workspace, workspace_bytes, s.native),
                        "cublasLtMatmul", &p));
    return true;
  }

 private:
  /// A product as cuBLASLt describes it.
  struct description {
    cublasLtMatmulDescOpaque_t product;
    cublasLtMatrixLayoutOpaque_t w, x, y;

    result<void> try_make(const blas_product& p) {
      const auto k = static_cast<std::uint64_t>(p.inner), n = static_cast<std::uint64_t>(p.columns),
                 t = static_cast<std::uint64_t>(p.rows);
      const auto layout = [&](cublasLtMatrixLayoutOpaque_t& made, dtype type, std::uint64_t rows, std::uint64_t columns,
                              std::ptrdiff_t stride) {
        return checked(cublasLtMatrixLayoutInit(&made, native(type), rows, columns, stride), "cublasLtMatrixLayoutInit",
                       &p);
      };
      LLAVA_CHECK(layout(w, p.type, k, n, p.w_stride));
      LLAVA_CHECK(layout(x, p.type, k, t, p.x_stride));
      LLAVA_CHECK(layout(y, p.result_type, n, t, p.y_stride));
      LLAVA_CHECK(
          checked(cublasLtMatmulDescInit(&product, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit", &p));
      const cublasOperation_t transposed = CUBLAS_OP_T;
      LLAVA_CHECK(set(CUBLASLT_MATMUL_DESC_TRANSA, transposed, p));
      if (p.bias == nullptr) return {};
      const cublasLtEpilogue_t with_bias = CUBLASLT_EPILOGUE_BIAS;
      LLAVA_CHECK(set(CUBLASLT_MATMUL_DESC_EPILOGUE, with_bias, p));
      return set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, p.bias, p);  // its elements have the type of y
    }
    template <class T>
    result<void> set(cublasLtMatmulDescAttributes_t what, const T& value, const blas_product& p) {
      return checked(cublasLtMatmulDescSetAttribute(&product, what, &value, sizeof value),
                     "cublasLtMatmulDescSetAttribute", &p);
    }
  };

  /// All that an algorithm depends on.
  using signature = std::array<std::int64_t, 13>;
  struct found_algorithm {
    signature of;
    bool exists;
    cublasLtMatmulAlgo_t algorithm;
  };

  /// Gives the algorithm for a product. False: there is none.
  result<bool> try_find(const blas_product& p, description& of, cublasLtMatmulAlgo_t& algorithm) {
    const signature wanted{p.rows,
                           p.columns,
                           p.inner,
                           p.x_stride,
                           p.w_stride,
                           p.y_stride,
                           p.adds,
                           static_cast<std::int64_t>(p.type) * 256 + static_cast<std::int64_t>(p.result_type),
                           p.bias != nullptr,
                           alignment(p.bias),
                           alignment(p.x),
                           alignment(p.w),
                           alignment(p.y)};
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const found_algorithm& f : found_)
      if (f.of == wanted) {
        algorithm = f.algorithm;
        return f.exists;
      }
    found_algorithm made{wanted, false, {}};
    LLAVA_CHECK(ask(p, of, made));
    if (found_.size() == most) found_.clear();
    found_.push_back(made);
    algorithm = made.algorithm;
    return made.exists;
  }
  /// Asks the heuristic.
  result<void> ask(const blas_product& p, description& of, found_algorithm& made) const {
    cublasLtMatmulPreferenceOpaque_t wish{};
    LLAVA_CHECK(checked(cublasLtMatmulPreferenceInit(&wish), "cublasLtMatmulPreferenceInit", &p));
    const auto set = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
      return checked(cublasLtMatmulPreferenceSetAttribute(&wish, what, &value, sizeof value),
                     "cublasLtMatmulPreferenceSetAttribute", &p);
    };
    const std::uint64_t most_bytes = workspace_bytes;
    const std::uint32_t sums = CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE, of_w = alignment(p.w), of_x = alignment(p.x),
                        of_y = alignment(p.y);
    LLAVA_CHECK(set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, most_bytes));
    LLAVA_CHECK(set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, sums));
    LLAVA_CHECK(set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, of_w));
    LLAVA_CHECK(set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, of_x));
    LLAVA_CHECK(set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, of_y));
    LLAVA_CHECK(set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, of_y));
    cublasLtMatmulHeuristicResult_t best{};
    int count = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, &of.product, &of.w, &of.x, &of.y, &of.y, &wish, 1, &best, &count);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    LLAVA_CHECK(checked(status, "cublasLtMatmulAlgoGetHeuristic", &p));
    made.exists = count > 0 && best.state == CUBLAS_STATUS_SUCCESS;
    made.algorithm = best.algo;
    return {};
  }

  static cudaDataType_t native(dtype type) {
    return type == dtype::float32 ? CUDA_R_32F : type == dtype::float16 ? CUDA_R_16F : CUDA_R_16BF;
  }
  /// The largest power of two that divides an address, at most 256, which cuBLASLt expects unless it is told.
  static std::uint32_t alignment(const void* p) {
    return std::uint32_t{1} << std::countr_zero(reinterpret_cast<std::uintptr_t>(p) | 256);
  }
  /// The error of a call: "llava: CALL failed: CUBLAS_STATUS_X (y (T, N) = x (T, K) · w (N, K)ᵀ, bf16)".
  static result<void> checked(cublasStatus_t status, std::string_view call, const blas_product* p) {
    if (status == CUBLAS_STATUS_SUCCESS) return {};
    const std::string of = p == nullptr
                               ? std::string()
                               : text_of(" (y (", p->rows, ", ", p->columns, ") = x (", p->rows, ", ", p->inner,
                                         ") · w (", p->columns, ", ", p->inner, ")ᵀ, ", name_of(p->type), ")");
    return fail(status == CUBLAS_STATUS_ALLOC_FAILED ? errc::out_of_memory : errc::device_failed,
                text_of("llava: ", call, " failed: ", cublasLtGetStatusName(status), of));
  }

  std::mutex mutex_;
  cublasLtHandle_t handle_ = nullptr;
  std::vector<found_algorithm> found_;
};

/// cuBLASLt on a device. It is never destroyed: the driver may have ended before the program's static objects do.
inline cublaslt& cublaslt_of(int device) {
  static auto& all = *new std::array<cublaslt, most_devices>;
  return all[static_cast<std::size_t>(device)];
}

LLAVA_CUDA_END
