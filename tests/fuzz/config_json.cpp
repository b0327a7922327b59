// SPDX-License-Identifier: Apache-2.0
/// config.json and the files that are read with it: the first byte selects the file that the rest becomes. A
/// description must keep the rules of config_rules.hpp.
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>

#include <temporary_folder.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static constexpr const char* names[] = {
      "config.json",       "preprocessor_config.json", "generation_config.json",  "processor_config.json",
      "tower/config.json", "tokenizer_config.json",    "special_tokens_map.json", "added_tokens.json"};
  static const std::string good =
      R"({"model_type": "llava", "text_config": {"model_type": "llama"}, "vision_config": {"model_type": "clip_vision_model", "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16, "image_size": 336, "patch_size": 14}})";
  static const std::string original = R"({"model_type": "llava", "mm_vision_tower": "tower", "mm_hidden_size": 768})";
  static temporary_folder folder("fuzz_config");
  if (size == 0) return 0;
  const std::string which = names[bytes[0] % std::size(names)];
  const std::string_view rest = fuzz::text(bytes + 1, size - 1);
  folder.write("config.json", which == "tower/config.json" ? original : good);
  folder.write(which, rest);
  const auto described = llava::try_describe_model(folder.path.string());
  if (fuzz::succeeded(described)) {
    fuzz::require(llava::first_broken_rule(described->text).empty());
    fuzz::require(!described->has_vision || llava::first_broken_rule(described->vision).empty());
    fuzz::require(!described->has_vision || llava::first_broken_rule(described->image).empty());
  }
  const std::string path = folder.path.string();
  for (const bool slow : {false, true})
    fuzz::succeeded(llava::detail::tokenizer_settings_reader(path, slow).try_read());
  if (which != "config.json") std::filesystem::remove(folder.path / which);
  return 0;
}
