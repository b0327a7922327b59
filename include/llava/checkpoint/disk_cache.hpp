// SPDX-License-Identifier: Apache-2.0
/// disk_cache: image tokens and blocks of the KV cache in a folder, for the next start of a program. Each is a file
/// named by a digest of all that its bytes depend on: the library's version, the model's type with its backend, weight
/// formats and cache layout, the instruction set, the model's files (the header and samples of every tensor, and the
/// configuration), and the tokens and pixels. A damaged file counts as absent and is removed. Programs may share a
/// folder. It holds what was said to the model, in numbers, so that only its owner may read it.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/base/sha256.hpp>
#include <llava/checkpoint/partial_folder.hpp>
#include <llava/tensor/mapped_file.hpp>

LLAVA_BEGIN

/// A folder of contents; see the top of this file. Thread-safe.
class disk_cache {
 public:
  /// What a content is.
  enum class kind : std::uint8_t { image, block };

  /// The bytes of a content, mapped.
  class content {
   public:
    explicit content(mapped_file file) : file_(std::move(file)) {}
    std::span<const std::byte> bytes() const { return file_.bytes().subspan(header); }

   private:
    mapped_file file_;
  };

  /// Opens a folder, or makes it if there is none; the folder above it must exist. `model` names all that the contents
  /// of a model depend on. At most `most_bytes` are kept: those that were used least recently are removed.
  static result<std::unique_ptr<disk_cache>> try_open(const std::string& folder, const sha256_digest& model,
                                                      std::uint64_t most_bytes);

  /// Returns the content of this name, and counts it as used.
  std::optional<content> find(kind of, const sha256_digest& name);
  /// Keeps a content. Errors: those of the system, a full disk among them. After one, nothing more is written.
  result<void> try_keep(kind of, const sha256_digest& name, std::span<const std::byte> bytes);
  /// Whether this object has found or kept the content.
  bool has(kind of, const sha256_digest& name) const;
  /// The first error of try_keep, if any.
  result<void> try_check() const;

 private:
  static constexpr std::size_t header = 64;  // so that contents are aligned

  disk_cache(std::string folder, partial_folder partial, const sha256_digest& model, std::uint64_t most_bytes)
      : folder_(std::move(folder)), partial_(std::move(partial)), model_(model), most_bytes_(most_bytes) {}
  /// The name of a file.
  std::string file_of(kind of, const sha256_digest& name) const;
  /// Removes contents until `to` bytes are left, and counts what is left.
  void shrink(std::uint64_t to);

  std::string folder_;
  partial_folder partial_;  // of files being written
  sha256_digest model_;
  std::uint64_t most_bytes_;
  mutable std::mutex mutex_;
  std::uint64_t bytes_ = 0;    // kept by all programs when they were counted, and since
  std::uint64_t files_ = 0;    // written so far
  std::set<std::string> had_;  // names of files
  std::optional<error> failed_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/disk_cache_inl.hpp>
#endif
