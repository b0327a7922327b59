// SPDX-License-Identifier: Apache-2.0
/// The names in tokenizer.ggml.pre of a GGUF file, and how each cuts a text into words.
#pragma once
#include <string_view>

#include <llava/base/macros.hpp>
#include <llava/text/split.hpp>

LLAVA_BEGIN

namespace detail {

/// How a name cuts a text.
struct gguf_cut {
  std::string_view name;
  splitter pattern;
  bool composes = false, splits_digits = false, ignore_merges = false;
};

/// The cut of a name, or of the architecture when a file names none; null when it is unknown.
inline const gguf_cut* find_gguf_cut(std::string_view name, std::string_view architecture) {
  static constexpr gguf_cut cuts[] = {{"qwen2", splitter::qwen2, true},
                                      {"megrez", splitter::qwen2, true},
                                      {"deepseek-r1-qwen", splitter::qwen2, true},
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
  if (name.empty() || name == "default") name = architecture == "llama" ? "llama-bpe" : architecture;
  for (const gguf_cut& c : cuts)
    if (c.name == name) return &c;
  return nullptr;
}

}  // namespace detail

LLAVA_END
