// SPDX-License-Identifier: Apache-2.0
/// packed_weights: a model's weights in the layout of a backend, kept in a file, so that the next start maps them
/// instead of quantising and packing them again. The file is a safetensors file with the format "llava packed weights":
///   <tensor>    U8, in the layout that its entry of `__metadata__` names ("q4_0 in panels of 16, 1"); alignment 64
///   checksums   U8, 8 bytes for each tensor, in the order of their names
///   source      U8, a text: identity() of the files that the weights came from
/// A damaged file, or one of the same weights in the layout of another processor, is replaced. The replacement is one
/// step, so a program that has mapped the old file keeps it, and several programs may replace it at once. A file from
/// another source, one in another weight format, and one of another kind are errors and are left unchanged.
#pragma once
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>

LLAVA_BEGIN

class safetensors_file;

/// Packed weights in a mapped file.
class packed_weights {
 public:
  /// One tensor to store.
  struct item {
    std::string name, layout;
    std::span<const std::byte> bytes;
  };

  packed_weights() = default;

  /// Opens `file`; empty when it is absent or damaged. Reads all of it once, on `threads`. Errors: the file is not of
  /// `source`, or holds no packed weights.
  static result<packed_weights> try_open(const std::string& file, std::string_view source, executor& threads);
  /// Writes `items`, in the order of their names, to a temporary file and moves it to `file`. Errors: there is a file
  /// of another kind, source or weight format.
  static result<void> try_write(const std::string& file, std::string_view source, std::vector<item> items);

  explicit operator bool() const { return file_ != nullptr; }

  /// The bytes of a tensor in a layout; empty when the file does not have it in that layout.
  std::span<const std::byte> find(std::string_view name, std::string_view layout) const;

 private:
  std::shared_ptr<const safetensors_file> file_;
};

/// The weight format of most tensors in a file of packed weights: "q4_0". Empty: there is no file, or it is damaged.
/// Errors: a file of another kind.
result<std::string> try_packed_format(const std::string& file);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/packed_weights_inl.hpp>
#endif
