// SPDX-License-Identifier: Apache-2.0
/// What tests ask of the emulator's cuBLASLt.
#pragma once
#include <string_view>

#include "cublasLt.h"

namespace llava::emulator {

struct cublaslt_options {
  /// The call that fails, and how.
  std::string_view failing = {};
  cublasStatus_t status = CUBLAS_STATUS_SUCCESS;
  /// Its heuristic finds nothing.
  bool has_no_algorithm = false;
};
cublaslt_options& cublaslt_settings();

/// How many products it has queued, and how often its heuristic was asked.
struct cublaslt_counts {
  long products, questions;
};
cublaslt_counts cublaslt_calls();

}  // namespace llava::emulator
