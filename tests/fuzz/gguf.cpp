// SPDX-License-Identifier: Apache-2.0
/// A GGUF file as a language model and as an mmproj: keys, tokenizer, description, names. Every byte and every row of
/// every accepted tensor must be readable.
#include <llava/checkpoint/gguf_checkpoint.hpp>

#include <optional>
#include <utility>

#include "fuzz.hpp"

namespace {

void read_all(const llava::tensor_source& source) {
  source.for_each([&](const llava::stored_tensor& t) {
    fuzz::require(source.find(t.name) == &t);
    unsigned sum = 0;
    for (const std::byte b : t.bytes) sum += std::to_integer<unsigned>(b);
    fuzz::require(sum <= 255 * t.bytes.size());
    if (!t.unsupported_type.empty()) return;
    std::size_t columns = 1;
    for (std::size_t a = 1; a < t.dims.size(); ++a) columns *= t.dims[a];
    const std::size_t rows = t.dims.empty() ? 1 : t.dims[0];
    std::vector<float> row(columns);
    t.with_rows(static_cast<std::int64_t>(columns), [&](const llava::row_source& from) {
      for (const std::size_t r : {std::size_t{0}, rows / 2, rows - 1})
        from.read(static_cast<std::int64_t>(r), 1, row.data());
    });
  });
}

void as_language_model(llava::gguf_file file) {
  const llava::gguf_keys& keys = file.keys();
  const auto architecture = llava::detail::try_text_architecture(keys);
  const auto words = llava::try_read_gguf_tokenizer(keys, architecture ? *architecture : "llama", false);
  if (fuzz::succeeded(words)) words->decode(words->encode("The quick  brown fox 123 <s></s>"), false);
  llava::model_description d;
  if (!fuzz::succeeded(architecture) || !fuzz::succeeded(llava::detail::try_describe_text(file, *architecture, d)))
    return;
  if (words) llava::detail::read_ends(keys, *words, d);
  fuzz::succeeded(llava::detail::try_read_conversation(keys, d));
  const auto all = llava::gguf_tensors::try_make(std::move(file), std::nullopt, d.text, *architecture == "llama");
  if (fuzz::succeeded(all)) read_all(*all);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const fuzz::file file(fuzz::text(bytes, size));
  auto opened = llava::gguf_file::try_open(file.path());
  if (!fuzz::succeeded(opened)) return 0;
  read_all(*opened);
  llava::model_description d;
  if (fuzz::succeeded(llava::detail::try_describe_vision(*opened, d)))
    fuzz::succeeded(llava::detail::try_confirm_rules(d, "mmproj"));
  as_language_model(*std::move(opened));
  return 0;
}
