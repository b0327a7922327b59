// SPDX-License-Identifier: Apache-2.0
/// tokenizer.json. An accepted file must encode and decode any text.
#include <llava/checkpoint/tokenizer_json.hpp>
#include <llava/text/tokenizer.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  auto parts = llava::try_read_tokenizer_json("tokenizer.json", fuzz::text(bytes, size));
  if (!fuzz::succeeded(parts)) return 0;
  const auto made = llava::tokenizer::try_make(std::move(parts->model), std::move(parts->rules));
  if (!fuzz::succeeded(made)) return 0;
  for (const std::string_view text : {fuzz::text(bytes, std::min<std::size_t>(size, 200)),
                                      std::string_view("The  quick \xe6\xbc\xa2 1234 <image>\xff\n")})
    made->decode(made->encode(text), true);
  return 0;
}
