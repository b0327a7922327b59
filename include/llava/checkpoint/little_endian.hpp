// SPDX-License-Identifier: Apache-2.0
/// little_endian: the unsigned numbers of 1 to 8 bytes in pickles and zip files.
#pragma once
#include <cstdint>
#include <string_view>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {
/// The number that these bytes are, the lowest byte first; at most 8 bytes.
constexpr std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i-- > 0;) number = number << 8 | static_cast<unsigned char>(bytes[i]);
  return number;
}
}  // namespace detail

LLAVA_END
