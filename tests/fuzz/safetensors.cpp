// SPDX-License-Identifier: Apache-2.0
/// The header of a safetensors file. Every byte of every accepted tensor must be readable.
#include <llava/checkpoint/safetensors.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const fuzz::file file(fuzz::text(bytes, size));
  const auto opened = llava::safetensors_file::try_open(file.path());
  if (!fuzz::succeeded(opened)) return 0;
  opened->for_each([&](const llava::stored_tensor& t) {
    fuzz::require(opened->find(t.name) == &t);
    unsigned sum = 0;
    for (const std::byte b : t.bytes) sum += std::to_integer<unsigned>(b);
    fuzz::require(sum <= 255 * t.bytes.size());
  });
  return 0;
}
