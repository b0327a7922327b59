// SPDX-License-Identifier: Apache-2.0
/// Writes a folder's tokenizer as the keys `tokenizer.ggml.…` of a GGUF file: the inverse of gguf_tokenizer.hpp.
///
///   tokenizer.model           pieces, scores and types of the SentencePiece model, with the added tokens behind them
///   tokenizer.json, of bytes  tokens in GPT-2's letters, merges, and the name of the way in which a text is cut
///   tokenizer.json alone      SentencePiece's pieces; their scores follow from the merges (written_piece_scores.hpp)
///
/// A file has one token for each row of the embedding table. Rows without a token get "[PAD32001]" of the type unused,
/// as from other converters. A tokenizer that the keys cannot express is refused: the keys are read again, and some
/// texts are compared (try_confirm_written_tokenizer).
#pragma once
#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/checkpoint_reader.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/gguf_tokenizer.hpp>
#include <llava/checkpoint/gguf_writer.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/checkpoint/written_piece_scores.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

class gguf_tokenizer_writer {
 public:
  /// `folder` has the tokenizer's files; `rows`: of the embedding table.
  gguf_tokenizer_writer(const checkpoint& from, std::string folder, std::size_t rows)
      : from_(from), words_(from.tokenizer), folder_(std::move(folder)), rows_(rows) {}

  result<void> try_write(gguf_new_keys& keys) {
    if (words_.size() > rows_)
      return fail(errc::unsupported, text_of("llava: ", from_.path, " has ", words_.size(), " tokens for the ", rows_,
                                             " rows of its embedding table; a GGUF file has one row for each"));
    const std::string model = folder_ + "/tokenizer.model", json = folder_ + "/tokenizer.json";
    LLAVA_TRY(settings, tokenizer_settings_reader(folder_, from_.description.slow_tokenizer).try_read());
    for (const added_token& a : settings.added) add(a.content);
    if (file_exists(json)) LLAVA_CHECK(try_read_json(json));
    if (file_exists(model))
      LLAVA_CHECK(try_add_pieces(model, keys));
    else
      LLAVA_CHECK(try_add_words(json, keys));
    LLAVA_CHECK(try_add_tokens(keys));
    return try_add_ids(keys);
  }

 private:
  static std::string key(std::string_view name) { return "tokenizer.ggml." + std::string(name); }
  error cannot_hold(std::string_view what) const {
    return fail(errc::unsupported, text_of("llava: ", folder_, " has a tokenizer that GGUF files cannot hold: ", what));
  }

  /// Notes that a text is an added token.
  void add(const std::string& content) {
    if (const auto id = words_.find(content); !content.empty() && id) added_.insert(*id);
  }
  result<void> try_read_json(const std::string& file) {
    LLAVA_TRY(json, json_document::try_read(file));
    const json_value* list = json.value().find("added_tokens");
    if (!list) return {};
    for (const json_value& token : list->items())
      if (const json_value* content = token.find("content"); content && content->text())
        add(std::string(*content->text()));
    return {};
  }
  bool is_added(std::int32_t id) const { return added_.count(id) > 0; }
  piece_type added_type(std::int32_t id) const {
    return words_.is_special(id) ? piece_type::control : piece_type::user_defined;
  }

  result<void> try_add_pieces(const std::string& file, gguf_new_keys& keys) {
    LLAVA_TRY(bytes, try_read_text_file(file));
    LLAVA_TRY(model, try_read_sentencepiece(file, bytes));
    std::vector<float> scores(rows_, -10000.f);
    for (std::size_t i = 0; i < model.pieces.size() && i < rows_; ++i) {
      const sentencepiece_model::piece& p = model.pieces[i];
      const auto id = static_cast<std::int32_t>(i);
      if (words_.piece(id) != p.text)
        return cannot_hold(text_of("token ", i, " is '", shown(words_.piece(id)), "' in tokenizer.json and '",
                                   shown(p.text), "' in tokenizer.model"));
      types_.push_back(is_added(id) && p.type == piece_type::normal ? added_type(id) : p.type);
      scores[i] = p.score;
    }
    add_sentencepiece(scores, model.add_dummy_prefix, keys);
    return {};
  }

  result<void> try_add_words(const std::string& file, gguf_new_keys& keys) {
    LLAVA_TRY(bytes, try_read_text_file(file));
    LLAVA_TRY(parts, try_read_tokenizer_json(file, bytes));
    if (!parts.model.byte_level()) return try_add_scored(file, parts, keys);
    const word_rules& w = parts.rules.words;
    std::string_view cut;
    for (const gguf_cut& c : gguf_cuts)
      if (cut.empty() && !w.prefix_space && w.letter_cuts.empty() && w.cuts == c.cuts() &&
          w.normalisers == c.normalisers())
        cut = c.name;
    if (cut.empty()) return cannot_hold("they have no name for the way in which it cuts a text into words");
    LLAVA_TRY(json, json_document::try_read(file));
    const json_value* list = find_in_model(json, "merges");
    const json_value* whole = find_in_model(json, "ignore_merges");
    LLAVA_CHECK(try_confirm_whole_words(parts, whole && whole->boolean() && *whole->boolean(), cut == "llama-bpe"));
    std::vector<std::string> merges;
    if (list)
      for (const json_value& m : list->items()) merges.push_back(text_of_merge(m));
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(words_.size()); ++id)
      types_.push_back(is_added(id) ? added_type(id) : piece_type::normal);
    keys.set(key("model"), "gpt2");
    keys.set(key("pre"), cut);
    keys.set(key("merges"), merges);
    return {};
  }

  /// A SentencePiece model of which only the tokenizer.json is there.
  result<void> try_add_scored(const std::string& file, const tokenizer_parts& parts, gguf_new_keys& keys) {
    const vocabulary& pieces = parts.model.words();
    const word_rules& w = parts.rules.words;
    LLAVA_TRY(json, json_document::try_read(file));
    const json_value* list = find_in_model(json, "merges");
    const json_value* bytes = find_in_model(json, "byte_fallback");
    const std::int32_t unknown = parts.rules.unknown >= 0 ? parts.rules.unknown : words_.unk();
    if (!list || unknown < 0) return cannot_hold("it has no merges or no unknown token");
    std::vector<std::pair<std::int32_t, std::int32_t>> merges;
    for (const json_value& m : list->items()) {
      const std::string both = text_of_merge(m);
      const std::size_t space = both.find(' ');
      merges.emplace_back(pieces.find(both.substr(0, space)), pieces.find(both.substr(space + 1)));
    }
    LLAVA_TRY(scores, try_score_pieces(pieces, merges));
    scores.resize(rows_, -10000.f);
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(pieces.size()); ++id)
      types_.push_back(id == unknown  ? piece_type::unknown
                       : is_added(id) ? added_type(id)
                       : bytes && bytes->boolean() && *bytes->boolean() && byte_of_piece(pieces.text(id)) >= 0
                           ? piece_type::byte
                           : piece_type::normal);
    add_sentencepiece(scores, w.has(normaliser::prepend_mark) || (w.metaspace && w.prefix != prefix_mark::never), keys);
    return {};
  }
  void add_sentencepiece(const std::vector<float>& scores, bool adds_prefix, gguf_new_keys& keys) const {
    const decoding how = words_.decoding().how;
    keys.set(key("model"), "llama");
    keys.set(key("pre"), "default");
    keys.set(key("scores"), scores);
    keys.set(key("add_space_prefix"), adds_prefix);
    keys.set(gguf_own_keys::tokenizer, how == decoding::slow          ? "slow"
                                       : how == decoding::slow_legacy ? "slow_legacy"
                                                                      : "fast");
  }
  /// A member of the object "model" of tokenizer.json; null if there is none.
  static const json_value* find_in_model(const json_document& json, const char* key) {
    const json_value* model = json.value().find("model");
    return model ? model->find(key) : nullptr;
  }
  /// "left right"; the reader of the file has checked it.
  static std::string text_of_merge(const json_value& m) {
    return m.text() ? std::string(*m.text()) : text_of(*m.items()[0].text(), " ", *m.items()[1].text());
  }

  /// `own`: a word that is a token needs no merges (ignore_merges). In files with the cut of Llama 3 that is so. It
  /// makes no difference if merges form every token.
  result<void> try_confirm_whole_words(const tokenizer_parts& parts, bool own, bool in_file) const {
    if (own == in_file) return {};
    if (own) return cannot_hold("ignore_merges is true, which it is for Llama 3 alone");
    std::vector<std::int32_t> ids;
    for (std::int32_t id = 0; id < static_cast<std::int32_t>(parts.model.words().size()); ++id) {
      const std::string_view text = parts.model.words().text(id);
      int words = 0;
      parts.rules.words.each_word(text, true, false, [&](std::string_view) { ++words; });
      if (words != 1 || is_added(id)) continue;
      ids.clear();
      parts.model.encode(text, ids);
      if (ids.size() != 1)
        return cannot_hold(text_of("its merges do not form the token '", shown(words_.piece(id)),
                                   "', which a file with the cut of Llama 3 takes whole"));
    }
    return {};
  }

  /// The tokens and their types, with those that `types_` lacks.
  result<void> try_add_tokens(gguf_new_keys& keys) {
    std::vector<std::string> tokens;
    std::vector<std::int32_t> types;
    std::set<std::string_view> known;
    tokens.reserve(rows_);  // `known` refers to its texts
    for (std::size_t i = 0; i < rows_; ++i) {
      const auto id = static_cast<std::int32_t>(i);
      const bool is_token = i < words_.size() && !words_.piece(id).empty();
      if (is_token && i >= types_.size() && !is_added(id))
        return cannot_hold(
            text_of("tokenizer.json has the token '", shown(words_.piece(id)), "', which tokenizer.model lacks"));
      tokens.push_back(is_token ? words_.piece(id) : text_of("[PAD", i, "]"));
      types.push_back(static_cast<std::int32_t>(!is_token           ? piece_type::unused
                                                : i < types_.size() ? types_[i]
                                                                    : added_type(id)));
      if (!known.insert(tokens.back()).second)
        return cannot_hold(text_of("the token '", shown(tokens.back()), "' has two ids"));
    }
    keys.set(key("tokens"), tokens);
    keys.set(key("token_type"), types);
    return {};
  }

  /// The tokens with a name. eos, eot and eom end an answer.
  result<void> try_add_ids(gguf_new_keys& keys) const {
    const auto set_id = [&](const char* name, std::int32_t id) {
      if (id >= 0) keys.set_count(key(name), id);
    };
    std::vector<std::int32_t> ends = from_.description.eos;
    const auto own = std::find(ends.begin(), ends.end(), words_.eos());
    if (own != ends.end()) std::rotate(ends.begin(), own, own + 1);
    if (ends.size() > 3)
      return cannot_hold(text_of("any of ", ends.size(), " tokens ends an answer, and they have keys for three"));
    const std::int32_t eos = ends.empty() ? words_.eos() : ends[0];
    if (eos != words_.eos() && from_.description.conversation.own.text.find("eos_token") != std::string::npos)
      return cannot_hold("its chat template writes eos_token, which is not the token that ends an answer");
    set_id("bos_token_id", words_.bos());
    set_id("eos_token_id", eos);
    set_id("eot_token_id", ends.size() > 1 ? ends[1] : -1);
    set_id("eom_token_id", ends.size() > 2 ? ends[2] : -1);
    set_id("unknown_token_id", words_.unk());
    set_id("padding_token_id", words_.pad());
    const std::vector<std::int32_t> around = words_.encode("");
    const bool begins = !around.empty() && around.front() == words_.bos(), ends_text = around.size() > (begins ? 1 : 0);
    if (around.size() > 2 || (ends_text && around.back() != words_.eos()))
      return cannot_hold("it puts other tokens around a text than its first and its last");
    keys.set(key("add_bos_token"), begins);
    keys.set(key("add_eos_token"), ends_text);
    return {};
  }

  const checkpoint& from_;
  const tokenizer& words_;
  std::string folder_;
  std::size_t rows_;
  std::set<std::int32_t> added_;
  std::vector<piece_type> types_;
};

/// Texts in which tokenizers differ.
inline std::vector<std::string> tokenizer_probes(const tokenizer& words) {
  std::vector<std::string> all{"",
                               " ",
                               "Hello there,  two   spaces   and the end  ",
                               "  It's 12345.67 DON'T we'll\n\n\tx  \r\n y",
                               "ünï©ode e\u0301 한국어 नमस्ते 🦙 \u2581 \u00a0",
                               "USER: What is this? ASSISTANT: A cat.</s>USER:",
                               "def f(x):\n    return x**2  # (ok)"};
  std::size_t tried = 0;
  for (auto id = static_cast<std::int32_t>(words.size()); id-- > 0 && tried < 64;) {
    const bool is_named = id == words.bos() || id == words.eos() || id == words.unk() || id == words.pad();
    if (!is_named && !words.is_special(id) && id + 64 < static_cast<std::int32_t>(words.size())) continue;
    const std::string piece = words.piece(id);
    if (!piece.empty()) all.push_back(text_of("a ", piece, " b", piece, "c ", piece)), ++tried;
  }
  return all;
}

/// The first of the probes that has other ids in `written` than in `own`, or, with `both_ways`, whose ids have another
/// text; empty: none. Those that begin with `left_out` are not compared.
inline std::string different_text(const tokenizer& own, const tokenizer& written, bool both_ways,
                                  std::string_view left_out = {}) {
  for (std::string& probe : tokenizer_probes(own)) {
    if (!left_out.empty() && probe.starts_with(left_out)) continue;
    const std::vector<std::int32_t> ids = own.encode(probe);
    if (written.encode(probe) != ids || (both_ways && written.decode(ids) != own.decode(ids))) return std::move(probe);
  }
  return {};
}

/// Whether the tokenizer in the keys of a written file gives the same ids and texts as the folder's.
inline result<void> try_confirm_written_tokenizer(const checkpoint& from, const tokenizer& written) {
  const std::string other = different_text(from.tokenizer, written, true);
  if (other.empty()) return {};
  return fail(errc::unsupported, text_of("llava: ", from.path, " has a tokenizer that GGUF files cannot hold: ",
                                         "read from one, '", shown(other), "' has other ids or another text"));
}

}  // namespace detail

LLAVA_END
