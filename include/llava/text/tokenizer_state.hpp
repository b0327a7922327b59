// SPDX-License-Identifier: Apache-2.0
/// The implementation of tokenizer: either kind of BPE, the added tokens and the rules. The readers of tokenizer files
/// create one.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/text/added_tokens.hpp>
#include <llava/text/decoding.hpp>
#include <llava/text/encode_options.hpp>
#include <llava/text/ranked_bpe.hpp>
#include <llava/text/replaced.hpp>
#include <llava/text/sentencepiece_bpe.hpp>
#include <llava/text/words.hpp>

LLAVA_BEGIN

/// The parts of a tokenizer other than its model.
struct tokenizer_rules {
  std::vector<added_token> added;
  std::vector<std::int32_t> before, after;  ///< ids around every text: BOS, possibly EOS
  std::int32_t bos = -1, eos = -1, unknown = -1, pad = -1;
  /// Special tokens in a text are text (split_special_tokens); with slow and slow_legacy all added tokens are.
  bool splits_special = false;
  word_rules words;        ///< used with ranked_bpe only
  decoding_rules decoder;  ///< slow and slow_legacy also select LlamaTokenizer's encoding
};

namespace detail {

/// The piece with a space for each ▁.
inline std::string with_spaces(std::string_view piece) {
  std::string out;
  for (std::size_t at = piece.find(space_mark); at != std::string_view::npos; at = piece.find(space_mark)) {
    out.append(piece.substr(0, at)) += ' ';
    piece.remove_prefix(at + space_mark.size());
  }
  return out.append(piece);
}

/// A model with its rules.
class tokenizer_state {
 public:
  /// A state without tokens.
  tokenizer_state() = default;
  /// See tokenizer::try_make().
  static result<tokenizer_state> try_make(sentencepiece_bpe model, tokenizer_rules rules) {
    return guarded([&]() -> result<tokenizer_state> {
      rules.decoder.collapses_spaces = model.remove_extra_whitespaces();
      rules.decoder.dummy_prefix = model.add_dummy_prefix() && rules.decoder.how != decoding::slow;
      return try_make_any(std::move(model), std::move(rules));
    });
  }
  static result<tokenizer_state> try_make(ranked_bpe model, tokenizer_rules rules) {
    return guarded([&]() -> result<tokenizer_state> { return try_make_any(std::move(model), std::move(rules)); });
  }

  /// Number of ids, added tokens included.
  std::size_t size() const { return (std::max)(model_size(), added_.size()); }
  /// @name Ids of named tokens; −1: none
  /// @{
  std::int32_t bos() const { return rules_.bos; }
  std::int32_t eos() const { return rules_.eos; }
  std::int32_t unk() const { return rules_.unknown; }
  std::int32_t pad() const { return rules_.pad; }
  /// @}
  /// Whether decode(…, true) omits this id.
  bool is_special(std::int32_t id) const {
    const added_token* a = added_.find(id);
    return a && a->special;
  }
  /// The id of an added token or a piece of the vocabulary, spelled as in the vocabulary.
  std::optional<std::int32_t> find(std::string_view piece) const;
  /// The vocabulary's text of an id; empty if there is no such id.
  std::string piece(std::int32_t id) const;

  /// The ids of a text, which the reference calls input_ids.
  std::vector<std::int32_t> encode(std::string_view text, const encode_options& options = {}) const;

  /// The text of ids. Ids that do not exist are skipped.
  std::string decode(std::span<const std::int32_t> ids, bool skip_special = true) const {
    text_decoder state(decoding(), skip_special);
    std::string out;
    for (const std::int32_t id : ids) push(state, id, out);
    state.finish(out);
    return out;
  }

  /// @name One token at a time
  /// Used by stream_decoder.
  /// @{
  decoding_rules decoding() const {
    decoding_rules d = rules_.decoder;
    if (const auto* m = std::get_if<sentencepiece_bpe>(&model_)) d.unknown_surface = m->unknown_surface();
    return d;
  }
  void push(text_decoder& state, std::int32_t id, std::string& out) const;
  /// @}
  /// See tokenizer::token_bytes().
  std::string token_bytes(std::int32_t id) const;

 private:
  template <class Model>
  static result<tokenizer_state> try_make_any(Model model, tokenizer_rules rules) {
    const auto most = static_cast<std::int64_t>(model_size_of(model)) + 65536;
    const auto unsound = [&](std::int64_t id) { return id >= most; };
    bool bad = unsound(rules.bos) || unsound(rules.eos) || unsound(rules.pad) || unsound(rules.unknown);
    for (const auto* ids : {&rules.before, &rules.after})
      for (const std::int32_t id : *ids) bad = bad || id < 0 || unsound(id);
    if (bad)
      return fail(errc::invalid_format, text_of("llava: a special token has an id out of range, expected 0 to ",
                                                most - 1, " with a vocabulary of ", model_size_of(model)));
    LLAVA_TRY(added, added_tokens::try_make(std::move(rules.added), static_cast<std::int32_t>(most),
                                            [&](std::string_view content) { return rules.words.normalised(content); }));
    tokenizer_state t;
    t.added_ = std::move(added);
    t.model_ = std::move(model);
    t.rules_ = std::move(rules);
    return t;
  }
  static std::size_t model_size_of(const sentencepiece_bpe& m) { return m.size(); }
  static std::size_t model_size_of(const ranked_bpe& m) { return m.words().size(); }
  std::size_t model_size() const {
    if (const auto* m = std::get_if<sentencepiece_bpe>(&model_)) return m->size();
    const auto* r = std::get_if<ranked_bpe>(&model_);
    return r ? r->words().size() : 0;
  }

  /// The token as the decoder needs it. `own` holds its bytes where the vocabulary does not.
  decoded_token token_to_decode(std::int32_t id, std::string& own) const;
  void encode_with(const sentencepiece_bpe& model, std::string_view text, const encode_options& o,
                   std::vector<std::int32_t>& out) const;
  void encode_with(const ranked_bpe& model, std::string_view text, const encode_options& o,
                   std::vector<std::int32_t>& out) const;

  std::variant<std::monostate, sentencepiece_bpe, ranked_bpe> model_;
  added_tokens added_;
  tokenizer_rules rules_;  // `added` has been moved out
};

inline std::optional<std::int32_t> tokenizer_state::find(std::string_view piece) const {
  if (const added_token* a = added_.find(piece)) return a->id;
  std::int32_t id = -1;
  if (const auto* m = std::get_if<sentencepiece_bpe>(&model_)) id = m->find(piece);
  if (const auto* m = std::get_if<ranked_bpe>(&model_)) {
    const auto bytes = m->byte_level() ? bytes_of_letters(piece) : std::optional(std::string(piece));
    if (bytes) id = m->words().find(*bytes);
  }
  return id < 0 ? std::nullopt : std::optional(id);
}

inline std::string tokenizer_state::piece(std::int32_t id) const {
  if (const added_token* a = added_.find(id)) return std::string(added_.text(*a));
  if (const auto* m = std::get_if<sentencepiece_bpe>(&model_)) return std::string(m->piece(id));
  const auto* m = std::get_if<ranked_bpe>(&model_);
  if (!m) return {};
  const std::string_view text = m->words().text(id);
  if (!m->byte_level() || m->words().find(text) != id) return std::string(text);
  std::string written;
  for (const char b : text) append_utf8(written, letter_of_byte(static_cast<unsigned char>(b)));
  return written;
}

inline decoded_token tokenizer_state::token_to_decode(std::int32_t id, std::string& own) const {
  decoded_token t;
  const added_token* a = added_.find(id);
  if (a) {
    t.piece = added_.text(*a);
    t.special = a->special;
    t.spaced = a->spaced;
  }
  if (const auto* m = std::get_if<sentencepiece_bpe>(&model_)) {
    if (!a) t.piece = m->piece(id);
    const piece_type type = static_cast<std::size_t>(id) < m->size() ? m->type(id) : piece_type::user_defined;
    t.kind = type == piece_type::byte      ? decoded_token::byte
             : type == piece_type::control ? decoded_token::control
             : type == piece_type::unknown ? decoded_token::unknown
                                           : decoded_token::text;
    if (rules_.decoder.how != decoding::sentencepiece && t.piece.substr(0, space_mark.size()) == space_mark)
      t.in_vocabulary_without_mark = m->find(t.piece.substr(space_mark.size())) >= 0;
  } else if (const auto* r = std::get_if<ranked_bpe>(&model_)) {
    if (!a) t.piece = r->words().text(id);
    // The library's decoder also maps the letters of an added token to bytes.
    if (a && rules_.decoder.how == decoding::byte_level)
      if (auto bytes = bytes_of_letters(t.piece)) t.piece = own = std::move(*bytes);
    if (rules_.decoder.how == decoding::byte_fallback && byte_of_piece(t.piece) >= 0) t.kind = decoded_token::byte;
  }
  if (t.kind == decoded_token::byte) t.value = static_cast<unsigned char>(byte_of_piece(t.piece));
  return t;
}

inline void tokenizer_state::push(text_decoder& state, std::int32_t id, std::string& out) const {
  if (id < 0 || static_cast<std::size_t>(id) >= size()) return;
  std::string own;
  const decoded_token t = token_to_decode(id, own);
  if (added_.find(id) || !t.piece.empty()) state.push(t, out);
}

inline std::string tokenizer_state::token_bytes(std::int32_t id) const {
  if (id < 0 || static_cast<std::size_t>(id) >= size()) return {};
  std::string own;
  const decoded_token t = token_to_decode(id, own);
  const decoding_rules& d = rules_.decoder;
  if (t.special || t.spaced || d.how == decoding::spaced) return {};
  if (d.how == decoding::byte_level) return std::string(t.piece);
  if (t.kind == decoded_token::byte && d.how != decoding::metaspace && (d.how != decoding::byte_fallback || d.bytes))
    return std::string(1, static_cast<char>(t.value));
  if (t.kind == decoded_token::control || t.kind == decoded_token::unknown) return {};
  return d.how == decoding::byte_fallback && !d.marks ? std::string(t.piece) : with_spaces(t.piece);
}

inline void tokenizer_state::encode_with(const sentencepiece_bpe& model, std::string_view text, const encode_options& o,
                                         std::vector<std::int32_t>& out) const {
  const bool slow = rules_.decoder.how == decoding::slow || rules_.decoder.how == decoding::slow_legacy;
  const cut_options cut{o.parse_special, o.stand_in.empty() ? o.excluded : std::string_view(),
                        slow ? whitespace_rule::python : whitespace_rule::unicode, slow && rules_.splits_special};
  const auto encode = [&](std::string_view s, bool prefix) {
    model.encode(with_replaced(s, o.stand_in, o.excluded), prefix, out);
  };
  const auto token = [&](const added_token& a) { out.push_back(a.id); };
  if (rules_.decoder.how != decoding::slow) {
    added_.cut_out(
        text, added_tokens::as_written, cut, [&](std::string_view s, bool) { encode(s, model.add_dummy_prefix()); },
        token);
    return;
  }
  // Without legacy: one ▁ in front of the text, none after a token. ▁ in the text is a space.
  if (text.empty()) return;
  const std::string marked = std::string(space_mark) + with_replaced(text, space_mark, " ");
  const auto first = static_cast<std::ptrdiff_t>(out.size());
  added_.cut_out(
      marked, added_tokens::as_written, cut, [&](std::string_view s, bool) { encode(s, false); }, token);
  const auto count = static_cast<std::ptrdiff_t>(out.size()) - first;
  if (count > 1 && piece(out[static_cast<std::size_t>(first)]) == space_mark &&
      is_special(out[static_cast<std::size_t>(first) + 1]))
    out.erase(out.begin() + first);
}

inline void tokenizer_state::encode_with(const ranked_bpe& model, std::string_view text, const encode_options& o,
                                         std::vector<std::int32_t>& out) const {
  const cut_options cut{o.parse_special, o.stand_in.empty() ? o.excluded : std::string_view()},
      cut_normalised{o.parse_special, o.excluded};
  const auto token = [&](const added_token& a) { out.push_back(a.id); };
  const auto word = [&](std::string_view w) { model.encode(w, out); };
  added_.cut_out(
      text, added_tokens::as_written, cut,
      [&](std::string_view stretch, bool at_start) {
        const std::string normal = rules_.words.normalised(with_replaced(stretch, o.stand_in, o.excluded));
        added_.cut_out(
            normal, added_tokens::normalised, cut_normalised,
            [&](std::string_view s, bool first) {
              rules_.words.each_word(s, at_start && first, model.splits_at_marks(), word);
            },
            token);
      },
      token);
}

inline std::vector<std::int32_t> tokenizer_state::encode(std::string_view text, const encode_options& given) const {
  encode_options options = given;
  options.parse_special = given.parse_special && !rules_.splits_special;
  std::vector<std::int32_t> out;
  if (options.add_special) out = rules_.before;
  if (const auto* m = std::get_if<sentencepiece_bpe>(&model_))
    encode_with(*m, valid_utf8(text, invalid_utf8::by_byte), options, out);
  if (const auto* m = std::get_if<ranked_bpe>(&model_)) encode_with(*m, valid_utf8(text), options, out);
  if (options.add_special) out.insert(out.end(), rules_.after.begin(), rules_.after.end());
  return out;
}

}  // namespace detail

LLAVA_END
