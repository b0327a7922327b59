// SPDX-License-Identifier: Apache-2.0
/// file_identity: a text that changes when a file of tensors is rewritten with other weights.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checksum.hpp>
#include <llava/tensor/mapped_file.hpp>

LLAVA_BEGIN

namespace detail {

/// Size and time of a file, and a checksum of what is added: its header, and at most 2048 bytes of each part. Most
/// weights are not read.
class file_identity {
 public:
  explicit file_identity(const mapped_file& file) : file_(&file) { file.expect_scattered(true); }
  file_identity(const file_identity&) = delete;
  file_identity& operator=(const file_identity&) = delete;
  ~file_identity() { file_->expect_scattered(false); }

  void add_header(std::span<const std::byte> bytes) { sums_.push_back(checksum_of(bytes)); }
  void add_part(std::span<const std::byte> bytes) {
    constexpr std::size_t sample = 512, samples = 4;
    if (bytes.size() <= sample * samples) return add_header(bytes);
    for (std::size_t i = 0; i < samples; ++i)
      add_header(bytes.subspan((bytes.size() - sample) / (samples - 1) * i, sample));
  }
  std::string text() const {
    return text_of(file_->bytes().size(), " bytes of ", file_->changed(), ", ",
                   checksum_of(std::as_bytes(std::span<const std::uint64_t>(sums_))));
  }

 private:
  const mapped_file* file_;
  std::vector<std::uint64_t> sums_;
};

}  // namespace detail

LLAVA_END
