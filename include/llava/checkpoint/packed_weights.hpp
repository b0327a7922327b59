// SPDX-License-Identifier: Apache-2.0
/// packed_weights: the weights of a model as a backend lays them out, kept in a file, so that the next start maps them
/// instead of quantising and laying them out again. The file is a safetensors file of its own making, of format "llava
/// packed weights":
///   <tensor>    U8, in the layout that its entry of `__metadata__` names ("q4_0 in panels of 16, 1"); alignment 64
///   checksums   U8, 8 bytes for each of those, in the order of their names
///   source      U8, a text: identity() of the files that the weights came from
/// One that is not of this source, or damaged, counts as absent and is replaced. It is replaced in one step, so whoever
/// has the old one mapped keeps it, and several programs may do it at once. Any other file is an error and stays as it
/// is.
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

/// Laid-out weights, mapped.
class packed_weights {
 public:
  /// One tensor to be kept.
  struct item {
    std::string name, layout;
    std::span<const std::byte> bytes;
  };

  packed_weights() = default;

  /// The file, or nothing where it is absent, damaged or not of `source`. Reads all of it once, on `threads`.
  static result<packed_weights> try_open(const std::string& file, std::string_view source, executor& threads);
  /// Writes `items`, in the order of their names, beside `file` and puts it in its place.
  static result<void> try_write(const std::string& file, std::string_view source, std::vector<item> items);

  explicit operator bool() const { return file_ != nullptr; }

  /// The bytes of a tensor in a layout; empty when it is not there or is in another.
  std::span<const std::byte> find(std::string_view name, std::string_view layout) const;

 private:
  std::shared_ptr<const safetensors_file> file_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/checkpoint/packed_weights_inl.hpp>
#endif
