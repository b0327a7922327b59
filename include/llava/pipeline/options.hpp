// SPDX-License-Identifier: Apache-2.0
/// How a model is opened.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include <llava/base/executor.hpp>
#include <llava/base/progress.hpp>

LLAVA_BEGIN

/// How a model is opened; the defaults suit a program that asks one question after the other.
struct open_options {
  /// Where ops run; none: a thread_pool of `threads` (0: all processors) that the model owns.
  std::shared_ptr<executor> threads_of_host{};
  int threads = 0;
  /// Rows of the largest step; a longer prompt is taken in chunks. With it the arena's size is known.
  int max_batch_tokens = 256;
  /// Sequences of the largest step of a batch.
  int max_sequences = 16;
  /// Tokens that all sessions together may keep in the KV cache; 0: the model's context, at least 4096, at most 32768.
  int kv_tokens = 0;
  /// Bytes that weights, KV cache and activations may take; mapped files are not counted. 0: no limit.
  std::uint64_t memory_budget = 0;
  /// A file that keeps weights in block formats as the backend lays them out. When it is there and made from these weights it
  /// is mapped, and opening takes no time; otherwise it is written after loading. Empty: none.
  std::string packed_file{};
  /// Called while weights are loaded; may end it by returning false.
  std::function<bool(const progress&)> report = no_progress;
};

LLAVA_END
