// SPDX-License-Identifier: Apache-2.0
/// The states inside a JSON string (RFC 8259, section 7), one byte at a time. Bytes outside escapes are valid UTF-8
/// without control characters. An escaped high surrogate must be followed by an escaped low one, as the pair of one
/// code point; other surrogates are refused, because no UTF-8 text can hold them.
#pragma once
#include <cstdint>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

/// in_text is the only state in which the string may end.
enum string_state : std::int8_t {
  string_closed = -2,   ///< the closing quotation mark
  string_refused = -1,  ///< the byte is not allowed
  in_text = 0,
  after_backslash,
  hex_1_of_4,
  hex_2_of_4,
  hex_3_of_4,
  hex_4_of_4,
  hex_2_of_surrogate,  ///< after \ud
  hex_3_of_high,
  hex_4_of_high,
  backslash_of_low,
  u_of_low,
  hex_1_of_low,
  hex_2_of_low,
  tail_1,      ///< one more continuation byte
  tail_2,      ///< two more
  tail_3,      ///< three more
  tail_of_e0,  ///< no overlong form
  tail_of_ed,  ///< no surrogate
  tail_of_f0,  ///< no overlong form
  tail_of_f4,  ///< nothing above U+10FFFF
  string_states
};

constexpr bool is_hex(unsigned char b) {
  return (b >= '0' && b <= '9') || (b >= 'a' && b <= 'f') || (b >= 'A' && b <= 'F');
}

/// The state after a byte. Every byte that leaves in_text, except the closing mark, begins one code point of the value.
constexpr string_state next_in_string(int state, unsigned char b) {
  const auto hex = [b](string_state next) { return is_hex(b) ? next : string_refused; };
  const auto tail = [b](unsigned char low, unsigned char high, string_state next) {
    return b >= low && b <= high ? next : string_refused;
  };
  switch (state) {
    case in_text:
      if (b == '"') return string_closed;
      if (b == '\\') return after_backslash;
      if (b < 0x80) return b < 0x20 ? string_refused : in_text;
      if (b >= 0xc2 && b <= 0xdf) return tail_1;
      if (b >= 0xe0 && b <= 0xef) return b == 0xe0 ? tail_of_e0 : b == 0xed ? tail_of_ed : tail_2;
      if (b >= 0xf0 && b <= 0xf4) return b == 0xf0 ? tail_of_f0 : b == 0xf4 ? tail_of_f4 : tail_3;
      return string_refused;
    case after_backslash:
      if (b == 'u') return hex_1_of_4;
      return b == '"' || b == '\\' || b == '/' || b == 'b' || b == 'f' || b == 'n' || b == 'r' || b == 't'
                 ? in_text
                 : string_refused;
    case hex_1_of_4:
      return b == 'd' || b == 'D' ? hex_2_of_surrogate : hex(hex_2_of_4);
    case hex_2_of_4:
      return hex(hex_3_of_4);
    case hex_3_of_4:
      return hex(hex_4_of_4);
    case hex_4_of_4:
      return hex(in_text);
    case hex_2_of_surrogate:
      if (b >= '0' && b <= '7') return hex_3_of_4;
      return b == '8' || b == '9' || b == 'a' || b == 'A' || b == 'b' || b == 'B' ? hex_3_of_high : string_refused;
    case hex_3_of_high:
      return hex(hex_4_of_high);
    case hex_4_of_high:
      return hex(backslash_of_low);
    case backslash_of_low:
      return b == '\\' ? u_of_low : string_refused;
    case u_of_low:
      return b == 'u' ? hex_1_of_low : string_refused;
    case hex_1_of_low:
      return b == 'd' || b == 'D' ? hex_2_of_low : string_refused;
    case hex_2_of_low:
      return (b >= 'c' && b <= 'f') || (b >= 'C' && b <= 'F') ? hex_3_of_4 : string_refused;
    case tail_1:
      return tail(0x80, 0xbf, in_text);
    case tail_2:
      return tail(0x80, 0xbf, tail_1);
    case tail_3:
      return tail(0x80, 0xbf, tail_2);
    case tail_of_e0:
      return tail(0xa0, 0xbf, tail_1);
    case tail_of_ed:
      return tail(0x80, 0x9f, tail_1);
    case tail_of_f0:
      return tail(0x90, 0xbf, tail_2);
    case tail_of_f4:
      return tail(0x80, 0x8f, tail_2);
    default:
      return string_refused;
  }
}

}  // namespace detail

LLAVA_END
