// SPDX-License-Identifier: Apache-2.0
/// Encodes any text with both kinds of tokenizer, and streams the ids back to text (R10).
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/text/stream_decoder.hpp>

#include "fuzz.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  static const auto pieces = llava::try_open_tokenizer(LLAVA_TEST_DATA "/text/spm", true),
                    words = llava::try_open_tokenizer(LLAVA_TEST_DATA "/text/qwen2");
  fuzz::require(pieces && words);
  for (const auto* tokenizer : {&*pieces, &*words}) {
    const std::vector<std::int32_t> ids = tokenizer->encode(fuzz::text(bytes, size));
    llava::stream_decoder stream(*tokenizer);
    std::string streamed;
    for (const std::int32_t id : ids) {
      fuzz::require(id >= 0 && static_cast<std::size_t>(id) < tokenizer->size());
      streamed += stream.push(id);
    }
    streamed += stream.finish();
    fuzz::require(streamed == tokenizer->decode(ids, true));
  }
  return 0;
}
