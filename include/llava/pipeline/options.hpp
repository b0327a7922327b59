// SPDX-License-Identifier: Apache-2.0
/// How a model is opened.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/hook.hpp>
#include <llava/base/progress.hpp>

LLAVA_BEGIN

/// How a model is opened; the defaults suit a program that asks one question after the other.
struct open_options {
  /// Where ops run; none: a thread_pool of `threads` (0: all processors) that the model owns, fewer where the system
  /// refuses.
  std::shared_ptr<executor> threads_of_host{};
  int threads = 0;
  /// Rows of the largest step; a longer prompt is taken in chunks. With it the arena's size is known.
  int max_batch_tokens = 256;
  /// Sequences of the largest step of a batch.
  int max_sequences = 16;
  /// Tokens that all sessions and batches together may keep in the KV cache; 0: the model's context, at least 4096, at
  /// most
  /// 32768. As many conversations fit as their tokens do; one is never longer than the model's context.
  int kv_tokens = 0;
  /// Bytes that weights, KV cache and activations may take; mapped files are not counted. 0: no limit.
  std::uint64_t memory_budget = 0;
  /// A file that keeps weights in block formats as the backend lays them out. When it is there and made from these
  /// weights it is mapped, and opening takes no time; otherwise it is written after loading. Empty: none.
  std::string packed_file{};
  /// The conversation template, by the reference's name ("vicuna_v1"), where the model's type leaves it open. Empty:
  /// what the folder asks for.
  std::string conversation{};
  /// Called while weights are loaded; may end it by returning false. None: nobody wants to know.
  hook<bool(const progress&)> report{};
};

/// Errors: a number that is out of its range, a host's executor that runs nothing.
LLAVA_INLINE result<void> try_check(const open_options& o);

/// What the options say that ops run on, of a concurrency that does not change.
LLAVA_INLINE std::shared_ptr<executor> make_executor(const open_options& o);

/// Tells whoever wants to know; false to stop.
LLAVA_INLINE bool report_progress(const open_options& o, const progress& p);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/options_inl.hpp>
#endif
