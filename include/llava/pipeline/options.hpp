// SPDX-License-Identifier: Apache-2.0
/// Options for opening a model.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/hook.hpp>
#include <llava/base/progress.hpp>

LLAVA_BEGIN

/// Options for opening a model. The defaults suit a program that asks one question after the other.
struct open_options {
  /// Runs the ops. If null, the model owns a thread_pool of `threads` threads (0: one per processor that the
  /// process may use when the model is opened), fewer if the system refuses some.
  std::shared_ptr<executor> threads_of_host{};
  int threads = 0;
  /// Rows of the largest step, which determine the arena's size. A longer prompt is processed in chunks.
  int max_batch_tokens = 256;
  /// Sequences in the largest step of a batch.
  int max_sequences = 16;
  /// Tokens of the KV cache, which all sessions and batches share. 0: the model's context, at least 4096 and at most
  /// 32768. One conversation is never longer than the model's context.
  int kv_tokens = 0;
  /// Most tokens that a step guesses for an answer from its own text (pipeline/prompt_lookup.hpp), up to 8; 0: none.
  /// The answer is the same. One that quotes its prompt arrives sooner.
  int prompt_lookup = 8;
  /// Blocks of the KV cache are shared by all prompts that begin alike, also with those of finished answers.
  bool prefix_cache = true;
  /// Bytes of image tokens that are kept of images and videos that the model has seen; within the memory budget.
  std::uint64_t image_cache_bytes = std::uint64_t{256} << 20;
  /// A folder for image tokens and blocks of the KV cache, which the next start finds there
  /// (checkpoint/disk_cache.hpp). Image tokens are written when they are computed, blocks by try_keep_cache(). Empty:
  /// none.
  std::string cache_folder{};
  /// Bytes that the folder may have.
  std::uint64_t cache_folder_bytes = std::uint64_t{8} << 30;
  /// Limit in bytes for weights, KV cache and one workspace together. Weights and cache are checked before they are
  /// allocated. Mapped files are not counted. 0: no limit.
  std::uint64_t memory_budget = 0;
  /// The number of the device on which the model runs, for a backend on GPUs. −1: the backend's own (cuda{1}).
  int device = -1;
  /// A packed file: quantised weights in the backend's layout. If it exists, it is mapped, and opening is fast. If it
  /// is absent or damaged, it is written after loading. One of other weights or another format is an error. Empty:
  /// none.
  std::string packed_file{};
  /// The conversation template, by the reference's name ("vicuna_v1"), if the model's type leaves it open. Empty: the
  /// folder's.
  std::string conversation{};
  /// The model under the opened one, a folder or a name in the Hugging Face cache: the base of a folder that holds an
  /// adapter (empty: the base that it names), the language model and tokenizer of one that holds a projector alone
  /// (config.json, mm_projector.bin), or the base of a folder called a delta. Empty for any other.
  std::string model_base{};
  /// The GGUF file of the vision tower and projector (mmproj). Empty: the one beside the language model, if any.
  std::string mmproj{};
  /// A GGUF file's SentencePiece tokenizer puts a space in front of texts after a special token: LlamaTokenizer's
  /// `legacy`, which the file does not state. True for models of LLaMA 1.
  bool legacy_tokenizer = false;
  /// Called while weights are loaded. Returning false cancels the loading. It may be empty.
  hook<bool(const progress&)> report{};
};

/// Errors: an option out of range, or a host's executor whose concurrency is below 1.
LLAVA_INLINE result<void> try_check(const open_options& o);

/// Makes the executor that the options describe, with a constant concurrency.
LLAVA_INLINE std::shared_ptr<executor> make_executor(const open_options& o);

/// Calls o.report, if any. Returns false to cancel.
LLAVA_INLINE bool report_progress(const open_options& o, const progress& p);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/options_inl.hpp>
#endif
