// SPDX-License-Identifier: Apache-2.0
/// tokenizer.model. An accepted file must encode any text to ids of its vocabulary.
#include <llava/checkpoint/tokenizer_model.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const auto model = llava::try_read_tokenizer_model("tokenizer.model", fuzz::text(bytes, size));
  if (!fuzz::succeeded(model)) return 0;
  std::vector<std::int32_t> ids;
  model->encode(fuzz::text(bytes, std::min<std::size_t>(size, 200)), true, ids);
  model->encode("a \xe6\xbc\xa2 <s>\n", false, ids);
  for (const std::int32_t id : ids) fuzz::require(id >= 0 && static_cast<std::size_t>(id) < model->size());
  return 0;
}
