// SPDX-License-Identifier: Apache-2.0
/// http_chunk_lines: the lines between the chunks of a body (RFC 9112, section 7.1), read strictly: hexadecimal digits,
/// CR and LF. Chunk extensions are refused: nothing uses them, and two programs may differ in where one with an open
/// quote ends.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/serve/http_fault.hpp>
#include <llava/serve/http_text.hpp>

LLAVA_BEGIN
namespace serve::detail {

/// Reads a chunked body up to its last chunk's line, in pieces of any size. It keeps no bytes.
class http_chunk_lines {
 public:
  /// Reads the next bytes. What follows the last chunk's line is not looked at. Faults: bad_chunk, chunk_extension.
  http_fault read(std::string_view bytes) {
    while (!bytes.empty() && at_ != place::behind) {
      std::size_t used = 1;
      if (at_ == place::data) {
        used = static_cast<std::size_t>((std::min)(size_, std::uint64_t{bytes.size()}));
        size_ -= used;
        if (size_ == 0) at_ = place::data_cr;
      } else if (const http_fault fault = read(bytes[0]); fault != http_fault::none) {
        return fault;
      }
      bytes.remove_prefix(used);
    }
    return http_fault::none;
  }

 private:
  enum class place : unsigned char { digits, line_lf, data, data_cr, data_lf, behind };

  /// Reads a byte that is not of a chunk.
  http_fault read(char c) {
    if (at_ == place::digits) {
      const int digit = hex_digit(c);
      if (digits_ > 0 && c == ';') return http_fault::chunk_extension;
      if (digits_ > 0 && c == '\r') return go_to(place::line_lf);
      if (digit < 0 || digits_ == most_digits) return http_fault::bad_chunk;
      size_ = size_ << 4 | static_cast<std::uint64_t>(digit);
      ++digits_;
      return http_fault::none;
    }
    if (c != (at_ == place::data_cr ? '\r' : '\n')) return http_fault::bad_chunk;
    if (at_ == place::data_cr) return go_to(place::data_lf);
    digits_ = 0;
    if (at_ == place::data_lf) return go_to(place::digits);
    return go_to(size_ == 0 ? place::behind : place::data);
  }
  http_fault go_to(place next) {
    at_ = next;
    return http_fault::none;
  }

  static constexpr int most_digits = 16;
  place at_ = place::digits;
  int digits_ = 0;
  std::uint64_t size_ = 0;  // of the chunk, then what is left of it
};

}  // namespace serve::detail
LLAVA_END
