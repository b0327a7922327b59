// SPDX-License-Identifier: Apache-2.0
/// What the fuzz targets share (R1). Each is one loader: whatever the bytes, it gives a value or an error of one
/// sentence, under AddressSanitizer and UndefinedBehaviorSanitizer. Built by the preset `fuzz`, run by
/// tests/fuzz/run.py.
#pragma once
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>

namespace fuzz {

/// What must hold: a failure ends the target, and libFuzzer keeps the bytes.
inline void require(bool holds) {
  if (!holds) std::abort();
}

/// An error names what it is about, in a sentence of ours.
template <class T>
bool succeeded(const llava::result<T>& r) {
  if (r) return true;
  require(r.error().sentence().starts_with("llava: ") && r.error().sentence().size() > 20);
  return false;
}

inline std::string_view text(const std::uint8_t* bytes, std::size_t size) {
  return {reinterpret_cast<const char*>(bytes), size};
}

/// A file in memory that has a path.
class file {
 public:
  explicit file(std::string_view bytes) : descriptor_(::memfd_create("fuzz", 0)) {
    require(descriptor_ >= 0);
    require(::write(descriptor_, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() { ::close(descriptor_); }
  std::string path() const { return "/proc/self/fd/" + std::to_string(descriptor_); }

 private:
  int descriptor_;
};

}  // namespace fuzz

/// libFuzzer calls it with bytes of its choice.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
