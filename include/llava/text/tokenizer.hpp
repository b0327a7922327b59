// SPDX-License-Identifier: Apache-2.0
/// tokenizer: text to ids and back, as the reference's tokenizer of the same folder does it. It holds either kind of
/// BPE and knows no file format: try_open_tokenizer (checkpoint/) reads one from a folder.
///
///   text → added tokens cut out → stretches normalised → words → ids; ids that a prompt begins with in front
///
/// Any bytes may be given. What is not UTF-8 counts as U+FFFD: one for each byte with SentencePiece, which is what that
/// library does, and one for each stretch that begins a character otherwise, which is what the tokenizers library gets
/// from Python's bytes.decode(errors="replace"). Nothing recurses; time grows as n log n (R10). Const calls are safe
/// from any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/encode_options.hpp>

LLAVA_BEGIN

class ranked_bpe;
class sentencepiece_bpe;
class text_decoder;
struct decoding_rules;
struct tokenizer_rules;
namespace detail {
class tokenizer_state;
}

/// Texts to ids and back. Immutable; copies share what it holds; const calls may come from any thread.
class tokenizer {
 public:
  /// One that has no tokens.
  tokenizer();
  /// Fails on rules that name ids far beyond the model's, and on added tokens of more than 1024 bytes. Model and rules:
  /// text/tokenizer_state.hpp.
  static result<tokenizer> try_make(sentencepiece_bpe model, tokenizer_rules rules);
  static result<tokenizer> try_make(ranked_bpe model, tokenizer_rules rules);

  /// Number of ids, added tokens included.
  std::size_t size() const;
  /// @name Ids of named tokens, −1 when there is none
  /// @{
  std::int32_t bos() const;
  std::int32_t eos() const;
  std::int32_t unk() const;
  std::int32_t pad() const;
  /// @}
  /// Left out by decode(…, true).
  bool is_special(std::int32_t id) const;
  /// The id of an added token or a piece of the vocabulary, written as the vocabulary writes it.
  std::optional<std::int32_t> find(std::string_view piece) const;
  /// The text that the vocabulary has for an id; empty when there is no such id.
  std::string piece(std::int32_t id) const;

  /// The ids of a text: what the reference calls input_ids.
  std::vector<std::int32_t> encode(std::string_view text, const encode_options& options = {}) const;
  /// The text of ids. Ids that do not exist have none.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

  /// @name One token at a time
  /// What stream_decoder is made of.
  /// @{
  decoding_rules decoding() const;
  void push(text_decoder& state, std::int32_t id, std::string& out) const;
  /// @}

 private:
  explicit tokenizer(std::shared_ptr<const detail::tokenizer_state> state) : state_(std::move(state)) {}
  std::shared_ptr<const detail::tokenizer_state> state_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/tokenizer_inl.hpp>
#endif
