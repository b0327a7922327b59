// SPDX-License-Identifier: Apache-2.0
/// A file of torch.save, in either form. Every value of every accepted tensor must be readable. The first 100 tensors
/// are read: several may share one storage.
#include <llava/checkpoint/torch_file.hpp>

#include <vector>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const fuzz::file file(fuzz::text(bytes, size));
  const auto opened = llava::torch_file::try_open(file.path());
  if (!fuzz::succeeded(opened)) return 0;
  int left = 100;
  opened->for_each([&](const llava::stored_tensor& t) {
    fuzz::require(opened->find(t.name) == &t);
    if (left-- <= 0) return;
    unsigned sum = 0;
    for (const std::byte b : t.bytes) sum += std::to_integer<unsigned>(b);
    fuzz::require(sum <= 255 * t.bytes.size());
    if (!t.rows) return;
    std::size_t elements = 1;
    for (const std::size_t n : t.dims) elements *= n;
    fuzz::require(elements > 0 && elements <= size);
    std::vector<float> values(elements);
    t.rows->read(0, static_cast<std::int64_t>(t.dims[0]), values.data());
  });
  return 0;
}
