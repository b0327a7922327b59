// SPDX-License-Identifier: Apache-2.0
/// model.safetensors.index.json, which names files. No file outside its folder may be opened.
#include <llava/checkpoint/safetensors.hpp>

#include <temporary_folder.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static temporary_folder folder("fuzz_index");
  static const bool once = [] {
    const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
    folder.write("a", std::string(1, static_cast<char>(header.size())) + std::string(7, '\0') + header + "abcd");
    return true;
  }();
  fuzz::require(once);
  folder.write("model.safetensors.index.json", fuzz::text(bytes, size));
  const auto opened = llava::safetensors_folder::try_open(folder.path.string());
  if (fuzz::succeeded(opened) && opened->find("a")) fuzz::require(opened->find("a")->bytes.size() == 4);
  return 0;
}
