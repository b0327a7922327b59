// SPDX-License-Identifier: Apache-2.0
/// Weights that bitsandbytes has quantised. Every row of every accepted weight must be readable, also as nf4.
#include <llava/checkpoint/bitsandbytes.hpp>
#include <llava/checkpoint/safetensors.hpp>

#include <temporary_folder.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static temporary_folder folder("fuzz_bitsandbytes");
  folder.write("model.safetensors", fuzz::text(bytes, size));
  auto files = llava::safetensors_folder::try_open(folder.path.string());
  if (!fuzz::succeeded(files)) return 0;
  const auto opened =
      llava::bitsandbytes_tensors::try_read(std::make_unique<llava::safetensors_folder>(*std::move(files)));
  if (!fuzz::succeeded(opened)) return 0;
  opened->for_each([&](const llava::stored_tensor& t) {
    fuzz::require(opened->find(t.name) == &t);
    if (!t.rows) return;
    const auto rows = static_cast<std::int64_t>(t.dims[0]), columns = static_cast<std::int64_t>(t.dims[1]);
    std::vector<float> row(t.dims[1]);
    for (std::int64_t r = 0; r < rows; ++r) t.rows->read(r, 1, row.data());
    if (t.rows->coded_as() != llava::nf4::name) return;
    std::vector<std::byte> stored(static_cast<std::size_t>(llava::nf4::stored_bytes(rows, columns)));
    t.rows->read_stored(stored.data());
    fuzz::require(llava::nf4::reader(stored.data(), rows * columns).code(0) >= 0);
  });
  return 0;
}
