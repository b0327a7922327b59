// SPDX-License-Identifier: Apache-2.0
/// row_fault: the first index past the last row that an op met on the device. Kernels write it to pinned host memory,
/// and the queue reads it when the stream is idle.
#pragma once
#include <cstdint>

#include <llava/base/macros.hpp>
#include <llava/ops/rows.hpp>

LLAVA_CUDA_BEGIN

/// The ops that read rows by index.
enum class row_op : std::int32_t { none, embed, gather_rows, mix_rows, max_rows };

/// op == none: no fault.
struct row_fault {
  row_op op = row_op::none;
  std::int32_t t = 0, k = 0;  // place of the index
  std::int32_t row = 0;       // the index
  std::int64_t rows = 0;      // the number of rows
};

/// The sentence of a fault, the same as that of the host's backends.
[[gnu::cold]] inline error error_of(const row_fault& f) {
  switch (f.op) {
    case row_op::embed:
      return ops::row_index_error("embed", "ids", f.t, f.row, f.rows);
    case row_op::gather_rows:
      return ops::row_index_error("gather_rows", "from", f.t, f.row, f.rows);
    case row_op::mix_rows:
      return ops::row_index_error("mix_rows", "from", f.t, f.k, f.row, f.rows);
    default:
      return ops::row_index_error("max_rows", "from", f.t, f.k, f.row, f.rows);
  }
}

LLAVA_CUDA_END
