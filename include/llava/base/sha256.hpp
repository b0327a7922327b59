// SPDX-License-Identifier: Apache-2.0
/// sha256: the hash function of FIPS 180-4. It names contents: equal digests mean equal bytes.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <type_traits>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A digest of SHA-256. The default is all zeros, which no known bytes have.
struct sha256_digest {
  std::array<std::uint8_t, 32> bytes{};
  friend bool operator==(const sha256_digest&, const sha256_digest&) = default;
};

/// Computes the digest of the bytes that it is given, in any number of pieces.
class sha256 {
 public:
  sha256& update(std::span<const std::byte> bytes);
  /// The bytes of numbers as they are in memory: their digest holds on machines of one byte order.
  template <class T>
  requires(std::is_trivially_copyable_v<T>) sha256& update_values(std::span<const T> values) {
    return update(std::as_bytes(values));
  }
  template <class T>
  requires(std::is_trivially_copyable_v<T>) sha256& update_value(const T& value) {
    return update(std::as_bytes(std::span<const T, 1>(&value, 1)));
  }
  /// Returns the digest of all bytes so far. Nothing may follow.
  sha256_digest digest();

 private:
  void compress(const std::byte* block);

  std::array<std::uint32_t, 8> state_{0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<std::byte, 64> rest_{};  // the bytes of a block that is not complete
  std::uint64_t size_ = 0;            // bytes so far
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/base/sha256_inl.hpp>
#endif
