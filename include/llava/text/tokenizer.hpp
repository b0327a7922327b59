// SPDX-License-Identifier: Apache-2.0
/// tokenizer: converts text to ids and back, as the reference's tokenizer of the same folder does. It holds either kind
/// of BPE and knows no file format: try_open_tokenizer (checkpoint/) reads one from a folder.
///
///   text → cut out added tokens → normalise the rest → split into words → ids → add BOS and the like
///
/// The text may hold any bytes. Invalid UTF-8 counts as U+FFFD: with SentencePiece one per byte, as in that library;
/// otherwise one per invalid sequence, as in Python's bytes.decode(errors="replace"), whose output the tokenizers
/// library gets. Nothing recurses; time is O(n log n) (R10). Const calls are safe from any thread.
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

/// Converts texts to ids and back. Immutable; copies share their state; const calls are safe from any thread.
class tokenizer {
 public:
  /// A tokenizer without tokens.
  tokenizer();
  /// Fails if an id of the rules is 65536 or more beyond the model's, or an added token is empty or has more than 1024
  /// bytes. text/tokenizer_state.hpp defines tokenizer_rules.
  static result<tokenizer> try_make(sentencepiece_bpe model, tokenizer_rules rules);
  static result<tokenizer> try_make(ranked_bpe model, tokenizer_rules rules);

  /// Number of ids, added tokens included.
  std::size_t size() const;
  /// @name Ids of named tokens; −1: none
  /// @{
  std::int32_t bos() const;
  std::int32_t eos() const;
  std::int32_t unk() const;
  std::int32_t pad() const;
  /// @}
  /// Whether decode(…, true) omits this id.
  bool is_special(std::int32_t id) const;
  /// The id of an added token or a piece of the vocabulary, spelled as in the vocabulary.
  std::optional<std::int32_t> find(std::string_view piece) const;
  /// The vocabulary's text of an id; empty if there is no such id.
  std::string piece(std::int32_t id) const;

  /// The ids of a text, which the reference calls input_ids.
  std::vector<std::int32_t> encode(std::string_view text, const encode_options& options = {}) const;
  /// The text of ids. Ids that do not exist are skipped.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const;

  /// @name One token at a time
  /// Used by stream_decoder.
  /// @{
  decoding_rules decoding() const;
  void push(text_decoder& state, std::int32_t id, std::string& out) const;
  /// @}
  /// The bytes that this id adds to a decoded text: a space for ▁, one byte for a byte piece. At the start of a text,
  /// decoders drop a space. Empty for special, control and unknown tokens, for ids that do not exist, and for a
  /// tokenizer whose decoder puts spaces between tokens.
  std::string token_bytes(std::int32_t id) const;

 private:
  explicit tokenizer(std::shared_ptr<const detail::tokenizer_state> state) : state_(std::move(state)) {}
  std::shared_ptr<const detail::tokenizer_state> state_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/text/tokenizer_inl.hpp>
#endif
