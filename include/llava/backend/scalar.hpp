// SPDX-License-Identifier: Apache-2.0
/// The scalar backend: every op written as its contract reads, in plain loops. It is the reference for correctness, and
/// not meant to be fast.
#pragma once
#include <llava/backend/scalar/attention.hpp>
#include <llava/backend/scalar/matmul.hpp>
#include <llava/backend/scalar/norm.hpp>
#include <llava/backend/scalar/queue.hpp>
#include <llava/backend/scalar/rows.hpp>
#include <llava/backend/scalar/sample.hpp>
#include <llava/ops/backend.hpp>

LLAVA_BEGIN

/// The reference backend: plain loops.
struct scalar {
  static constexpr std::string_view name = "scalar";
  static constexpr bool reads_host_memory = true;
  using queue = scalar_backend::queue;
  const llava::memory& memory() const { return host_memory(); }
  template <class F>
  using operand = float;
  template <class T>
  using kv_layout = block_kv_layout<T>;
  template <coded_format F>
  using layout = stored_layout<F>;
};

LLAVA_END
