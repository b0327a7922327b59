// SPDX-License-Identifier: Apache-2.0
/// Weights that GPTQ or AWQ has quantised. The first bytes are the members of "quantization_config" up to a zero byte,
/// the rest is model.safetensors. Every row of every accepted weight must be readable.
#include <llava/checkpoint/gptq_awq.hpp>
#include <llava/checkpoint/safetensors.hpp>

#include <temporary_folder.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static temporary_folder folder("fuzz_gptq_awq");
  const std::string_view all = fuzz::text(bytes, size);
  const std::size_t end = (std::min)(all.find('\0'), size);
  const std::string config = llava::text_of("{\"quantization_config\": {", all.substr(0, end), "}}");
  const auto json = llava::try_parse_json("config.json", config);
  if (!fuzz::succeeded(json)) return 0;
  const auto how = llava::try_read_quantisation(llava::json_object("config.json", {}, &*json));
  if (!fuzz::succeeded(how)) return 0;
  folder.write("model.safetensors", all.substr((std::min)(end + 1, size)));
  auto files = llava::safetensors_folder::try_open(folder.path.string());
  if (!fuzz::succeeded(files)) return 0;
  const auto opened =
      llava::gptq_awq_tensors::try_read(std::make_unique<llava::safetensors_folder>(*std::move(files)), *how);
  if (!fuzz::succeeded(opened)) return 0;
  opened->for_each([&](const llava::stored_tensor& t) {
    fuzz::require(opened->find(t.name) == &t);
    if (!t.rows) return;
    const auto rows = static_cast<std::int64_t>(t.dims[0]), columns = static_cast<std::int64_t>(t.dims[1]);
    fuzz::require(rows > 0 && columns > 0 && static_cast<std::size_t>(rows * columns) <= 16 * size);
    std::vector<float> values(static_cast<std::size_t>(rows * columns));
    t.rows->read(0, rows, values.data());
  });
  return 0;
}
