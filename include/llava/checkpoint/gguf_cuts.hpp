// SPDX-License-Identifier: Apache-2.0
/// The names in tokenizer.ggml.pre of a GGUF file, and how each cuts a text into words.
#pragma once
#include <string_view>
#include <vector>

#include <llava/base/macros.hpp>
#include <llava/text/words.hpp>

LLAVA_BEGIN

namespace detail {

/// How a name cuts a text.
struct gguf_cut {
  std::string_view name;
  splitter pattern;
  bool composes = false, splits_digits = false, ignore_merges = false;

  std::vector<splitter> cuts() const {
    return splits_digits ? std::vector{splitter::digits, pattern} : std::vector{pattern};
  }
  std::vector<normaliser> normalisers() const {
    return composes ? std::vector{normaliser::nfc} : std::vector<normaliser>();
  }
};

/// The cuts with a name; of those that are alike, a file is written with the first.
inline constexpr gguf_cut gguf_cuts[] = {{"qwen2", splitter::qwen2, true},
                                         {"megrez", splitter::qwen2, true},
                                         {"deepseek-r1-qwen", splitter::qwen2, true},
                                         {"qwen35", splitter::qwen3_5, true},
                                         {"llama-bpe", splitter::llama3, false, false, true},
                                         {"llama3", splitter::llama3, false, false, true},
                                         {"llama-v3", splitter::llama3, false, false, true},
                                         {"pixtral", splitter::llama3, false, false, true},
                                         {"gpt-2", splitter::gpt2},
                                         {"olmo", splitter::gpt2},
                                         {"mpt", splitter::gpt2, true},
                                         {"smollm", splitter::gpt2, false, true},
                                         {"starcoder", splitter::gpt2, false, true},
                                         {"refact", splitter::gpt2, false, true},
                                         {"command-r", splitter::gpt2, false, true}};

/// The cut of a name, or of the architecture when a file names none; null when it is unknown.
inline const gguf_cut* find_gguf_cut(std::string_view name, std::string_view architecture) {
  if (name.empty() || name == "default") name = architecture == "llama" ? "llama-bpe" : architecture;
  for (const gguf_cut& c : gguf_cuts)
    if (c.name == name) return &c;
  return nullptr;
}

}  // namespace detail

LLAVA_END
