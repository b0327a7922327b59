// SPDX-License-Identifier: Apache-2.0
/// try_read_gguf_tokenizer: the tokenizer in the keys `tokenizer.ggml.…` of a GGUF file.
///
///   model `llama`   SentencePiece BPE: pieces, scores and types as in a tokenizer.model, encoded and decoded as by
///                   transformers' LlamaTokenizer. Only files of our own say whether it is that class's fast form,
///                   or the slow one with `legacy` (gguf_own_keys).
///   model `gpt2`    byte-level BPE: tokens in GPT-2's letters, merges; `pre` names how a text is cut into words
///
/// Texts of control tokens become tokens where special tokens are parsed, those of user-defined ones everywhere. Rows
/// that a converter added at the end, "[PAD32001]" and "<dummy00001>", are no tokens.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/gguf_cuts.hpp>
#include <llava/checkpoint/gguf_keys.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/text/ranked_bpe.hpp>
#include <llava/text/sentencepiece_bpe.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/tokenizer.hpp>
#include <llava/text/tokenizer_state.hpp>

LLAVA_BEGIN

namespace detail {

/// A SentencePiece model of a file, and the settings of the class that encodes with it.
struct gguf_pieces {
  sentencepiece_model model;
  tokenizer_settings settings;
  bool slow = true;  // the class is the one in Python
};
/// A byte-level model of a file.
struct gguf_words {
  ranked_model model;
  tokenizer_rules rules;
};

class gguf_tokenizer_reader {
 public:
  static constexpr std::size_t most_tokens = std::size_t{1} << 20, most_special = 8192;

  /// `architecture` decides how words are cut when the file does not say it.
  gguf_tokenizer_reader(const gguf_keys& keys, std::string_view architecture, bool legacy)
      : keys_(keys), architecture_(architecture), legacy_(legacy) {}

  /// Reads the tokens. Comes before the parts of a model.
  result<void> try_begin() {
    std::string model;
    LLAVA_CHECK(keys_.require(key("model"), model));
    const bool pieces = has_pieces_ = model == "llama";
    if (!pieces && model != "gpt2") return keys_.unsupported(key("model"), model, "llama or gpt2");
    LLAVA_CHECK(try_read_tokens());
    LLAVA_CHECK(try_read_id("bos_token_id", pieces ? 1 : -1, bos_));
    LLAVA_CHECK(try_read_id("eos_token_id", pieces ? 2 : -1, eos_));
    LLAVA_CHECK(try_read_id("unknown_token_id", pieces ? 0 : -1, unknown_));
    return try_read_id("padding_token_id", -1, pad_);
  }
  /// Whether the model is SentencePiece's.
  bool has_pieces() const { return has_pieces_; }

  result<tokenizer> try_read() {
    LLAVA_CHECK(try_begin());
    result<tokenizer> made = has_pieces_ ? try_make_sentencepiece() : try_make_byte_level();
    if (!made && made.error().code() != errc::out_of_memory &&
        made.error().sentence().find(keys_.file()) == std::string::npos)
      return in_file(keys_.file(), made.error());
    return made;
  }

  /// The parts of a SentencePiece model.
  result<gguf_pieces> try_read_pieces() const {
    gguf_pieces p;
    sentencepiece_model& m = p.model;
    tokenizer_settings& s = p.settings;
    m.remove_extra_whitespaces = false;
    m.byte_fallback = std::find(types_.begin(), types_.end(), piece_type::byte) != types_.end();
    LLAVA_CHECK(keys_.read(key("add_space_prefix"), m.add_dummy_prefix));
    LLAVA_CHECK(try_read_scored(m.pieces));
    std::string kind = legacy_ ? "slow_legacy" : "slow";
    LLAVA_CHECK(keys_.read(gguf_own_keys::tokenizer, kind));
    if (kind != "fast" && kind != "slow" && kind != "slow_legacy")
      return keys_.unsupported(gguf_own_keys::tokenizer, kind, "fast, slow or slow_legacy");
    p.slow = kind != "fast";
    s.legacy = kind == "slow_legacy";
    s.is_llama = true;
    LLAVA_CHECK(keys_.read(key("add_bos_token"), s.add_bos));
    LLAVA_CHECK(keys_.read(key("add_eos_token"), s.add_eos));
    s.bos = text(bos_), s.eos = text(eos_), s.unknown = text(unknown_), s.pad = text(pad_);
    for (const std::string& named : {s.bos, s.eos, s.unknown, s.pad})
      if (!named.empty()) s.named.push_back(named);
    s.added = added();
    for (const added_token& a : s.added)
      if (a.special) s.additional.push_back(a.content);
    return result<gguf_pieces>(std::move(p));
  }

  /// The parts of a byte-level model.
  result<gguf_words> try_read_words() const {
    std::string pre;
    LLAVA_CHECK(keys_.read(key("pre"), pre));
    const gguf_cut* c = find_gguf_cut(pre, architecture_);
    if (!c) return keys_.unsupported(key("pre"), pre, "qwen2, llama-bpe, gpt-2, mpt, smollm or another known one");
    gguf_words w;
    tokenizer_rules& r = w.rules;
    w.model.byte_level = true;
    w.model.ignore_merges = c->ignore_merges;
    LLAVA_CHECK(try_read_vocabulary(w.model.words));
    LLAVA_CHECK(try_read_merges(w.model));
    r.words.normalisers = c->normalisers(), r.words.cuts = c->cuts();
    r.decoder.how = decoding::byte_level;
    r.bos = bos_, r.eos = eos_, r.unknown = unknown_, r.pad = pad_;
    r.added = added();
    bool add_bos = c->pattern == splitter::llama3, add_eos = false;
    LLAVA_CHECK(keys_.read(key("add_bos_token"), add_bos));
    LLAVA_CHECK(keys_.read(key("add_eos_token"), add_eos));
    if (add_bos && bos_ >= 0) r.before.push_back(bos_);
    if (add_eos && eos_ >= 0) r.after.push_back(eos_);
    return result<gguf_words>(std::move(w));
  }

 private:
  static std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }
  std::string text(std::int32_t id) const {
    return id < 0 ? std::string() : std::string(tokens_[static_cast<std::size_t>(id)]);
  }
  static bool is_added(piece_type t) {
    return t == piece_type::control || t == piece_type::unknown || t == piece_type::user_defined;
  }

  result<void> try_read_tokens() {
    const gguf_value *tokens = keys_.find(key("tokens")), *types = keys_.find(key("token_type"));
    if (!tokens) return keys_.missing(key("tokens"));
    if (!tokens->is_array() || tokens->type() != gguf_type::text || tokens->size() < 1 || tokens->size() > most_tokens)
      return keys_.wrong(key("tokens"), text_of("an array of 1 to ", most_tokens, " texts"));
    tokens_ = tokens->texts();
    types_.assign(tokens_.size(), piece_type::normal);
    if (types && (!types->is_array() || types->size() != tokens_.size()))
      return keys_.wrong(key("token_type"), text_of("an array of ", tokens_.size(), " integers, one for each token"));
    for (std::size_t i = 0; types && i < tokens_.size(); ++i) {
      const auto type = types->integer(i);
      if (!type || *type < 1 || *type > 6) return keys_.wrong(key("token_type"), "integers of 1 to 6");
      types_[i] = static_cast<piece_type>(*type);
    }
    while (tokens_.size() > 1 && is_padding(tokens_.size() - 1)) tokens_.pop_back(), types_.pop_back();
    const auto added = std::count_if(types_.begin(), types_.end(), is_added);
    if (static_cast<std::size_t>(added) > most_special)
      return keys_.unsupported(key("token_type"), text_of(added, " control and user-defined tokens"),
                               text_of("at most ", most_special));
    return {};
  }
  /// The tokens that are cut out of a text.
  std::vector<added_token> added() const {
    std::vector<added_token> all;
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      if (!is_added(types_[i])) continue;
      added_token a;
      a.content = tokens_[i];
      a.id = static_cast<std::int32_t>(i);
      a.special = types_[i] != piece_type::user_defined;
      all.push_back(std::move(a));
    }
    return all;
  }
  bool is_padding(std::size_t id) const {
    if (types_[id] != piece_type::unused && types_[id] != piece_type::user_defined) return false;
    const std::string_view t = tokens_[id];
    return t == text_of("[PAD", id, "]") || (t.size() == 12 && t.starts_with("<dummy") && t.ends_with('>'));
  }

  /// An id that is not in the vocabulary counts as none.
  result<void> try_read_id(std::string_view name, std::int32_t otherwise, std::int32_t& to) const {
    to = otherwise;
    const gguf_value* v = keys_.find(key(name));
    if (v && (v->is_array() || !v->integer())) return keys_.wrong(key(name), "an integer");
    const std::int64_t id = v ? *v->integer() : std::int64_t{otherwise};
    to = id >= 0 && id < static_cast<std::int64_t>(tokens_.size()) ? static_cast<std::int32_t>(id) : -1;
    return {};
  }

  // --- SentencePiece ------------------------------------------------------------------------------------------------

  result<tokenizer> try_make_sentencepiece() const {
    LLAVA_TRY(parts, try_read_pieces());
    LLAVA_TRY(model, sentencepiece_bpe::try_make(std::move(parts.model)));
    return try_make_of_model(std::move(model), std::move(parts.settings), parts.slow);
  }

  result<void> try_read_scored(std::vector<sentencepiece_model::piece>& pieces) const {
    const gguf_value* scores = keys_.find(key("scores"));
    if (!scores) return keys_.missing(key("scores"));
    if (!scores->is_array() || scores->size() < tokens_.size())
      return keys_.wrong(key("scores"), text_of("an array of ", tokens_.size(), " numbers, one for each token"));
    pieces.reserve(tokens_.size());
    bool all_unknown = true;
    for (std::size_t i = 0; i < pieces_of_model(); ++i) {
      const auto score = scores->number(i);
      if (!score) return keys_.wrong(key("scores"), "numbers");
      pieces.push_back({std::string(tokens_[i]), static_cast<float>(*score), types_[i]});
      all_unknown = all_unknown && (types_[i] != piece_type::normal || *score == -1000.);
    }
    // Written without tokenizer.model, which has the scores. Pieces are in the order of their scores, except the runs
    // of spaces, which merge last.
    for (std::size_t i = 0; all_unknown && i < pieces.size(); ++i)
      if (types_[i] == piece_type::normal)
        pieces[i].score = is_run_of_spaces(tokens_[i]) ? -1e9f : -static_cast<float>(i);
    return {};
  }
  /// The last control and user-defined tokens were added to the SentencePiece model.
  std::size_t pieces_of_model() const {
    std::size_t n = tokens_.size();
    while (n > 1 && is_added(types_[n - 1])) --n;
    return n;
  }
  static bool is_run_of_spaces(std::string_view piece) {
    std::size_t marks = 0;
    for (; piece.starts_with(space_mark); ++marks) piece.remove_prefix(space_mark.size());
    return marks >= 2 && piece.empty();
  }

  // --- bytes --------------------------------------------------------------------------------------------------------

  result<tokenizer> try_make_byte_level() const {
    LLAVA_TRY(parts, try_read_words());
    LLAVA_TRY(model, ranked_bpe::try_make(std::move(parts.model)));
    return tokenizer::try_make(std::move(model), std::move(parts.rules));
  }

  /// Normal tokens are letters that stand for bytes; others are plain text, and no merge forms them.
  result<void> try_read_vocabulary(vocabulary& words) const {
    for (std::size_t i = 0; i < tokens_.size(); ++i) {
      const auto id = static_cast<std::int32_t>(i);
      auto bytes = types_[i] == piece_type::normal ? bytes_of_letters(tokens_[i]) : std::nullopt;
      const bool findable = bytes && !bytes->empty();
      words.set(id, bytes ? std::move(*bytes) : std::string(tokens_[i]));
      if (findable && !words.index(id))
        return keys_.unsupported(key("tokens"), text_of("'", shown(tokens_[i]), "' twice"), "each token once");
    }
    return {};
  }

  result<void> try_read_merges(ranked_model& m) const {
    const gguf_value* merges = keys_.find(key("merges"));
    if (!merges) return keys_.missing(key("merges"));
    if (!merges->is_array() || merges->type() != gguf_type::text || merges->size() > most_tokens)
      return keys_.wrong(key("merges"), text_of("an array of at most ", most_tokens, " texts"));
    const auto id_of = [&](std::string_view piece) {
      const auto bytes = bytes_of_letters(piece);
      return bytes ? m.words.find(*bytes) : -1;
    };
    std::uint32_t rank = 0;
    for (const std::string_view both : merges->texts()) {
      const std::size_t space = both.find(' ', 1);
      if (space == std::string_view::npos)
        return keys_.wrong(key("merges"),
                           text_of("pairs of tokens with a space between them, which '", shown(both), "' is not"));
      const std::string_view left = both.substr(0, space), right = both.substr(space + 1);
      const std::int32_t l = id_of(left), r = id_of(right), whole = id_of(std::string(left).append(right));
      if (l < 0 || r < 0 || whole < 0)
        return keys_.wrong(key("merges"),
                           text_of("pairs of tokens that form a token, which '", shown(both), "' is not"));
      m.merges.set(l, r, {rank++, whole});
    }
    return {};
  }

  const gguf_keys& keys_;
  std::string_view architecture_;
  bool legacy_, has_pieces_ = false;
  std::vector<std::string_view> tokens_;
  std::vector<piece_type> types_;
  std::int32_t bos_ = -1, eos_ = -1, unknown_ = -1, pad_ = -1;
};

}  // namespace detail

/// Reads the tokenizer of a file whose language model has this architecture. `legacy`: SentencePiece puts a space in
/// front of texts after a special token, as LlamaTokenizer's `legacy` does.
inline result<tokenizer> try_read_gguf_tokenizer(const gguf_keys& keys, std::string_view architecture, bool legacy) {
  return guarded([&] { return detail::gguf_tokenizer_reader(keys, architecture, legacy).try_read(); });
}

LLAVA_END
