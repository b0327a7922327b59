// SPDX-License-Identifier: Apache-2.0
/// text_decoder: decodes tokens to text one at a time. It outputs the text that no later token can change and holds
/// back the rest, so that decoding one at a time and all at once use the same code and give the same text.
///
/// The reference's programs decode in different ways and give different texts; `decoding` selects the way.
#pragma once
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/text/utf8.hpp>

LLAVA_BEGIN

/// The way of decoding: SentencePiece's, or the decoder of a tokenizer.json.
enum class decoding : std::uint8_t {
  spaced,         ///< tokenizer.json without a decoder: tokens separated by spaces
  byte_level,     ///< the concatenated bytes, with U+FFFD for invalid UTF-8
  byte_fallback,  ///< ▁ is a space; a run of byte pieces is text if valid UTF-8, else one U+FFFD per byte
  metaspace,      ///< ▁ is a space; in the first token it is dropped
  sentencepiece,  ///< as the SentencePiece library: ▁ is a space, except one at the start; U+FFFD per invalid byte
  slow_legacy,    ///< as transformers 4's LlamaTokenizer, legacy: SentencePiece between special tokens
  slow,           ///< slow_legacy without legacy
};

/// The way of decoding and its options.
struct decoding_rules {
  decoding how = decoding::spaced;
  bool marks = true;                   ///< byte_fallback: ▁ is a space
  bool bytes = true;                   ///< byte_fallback: byte pieces are bytes
  int strip = 0;                       ///< byte_fallback: maximum number of leading spaces to strip
  bool drops_first = true;             ///< metaspace: ▁ in the first token is dropped
  bool dummy_prefix = true;            ///< SentencePiece: one ▁ at the start is dropped
  bool collapses_spaces = false;       ///< SentencePiece: remove_extra_whitespaces
  std::string_view unknown_surface{};  ///< SentencePiece: text of the unknown token
};

/// One token to decode.
struct decoded_token {
  enum kind_of : std::uint8_t { text, byte, control, unknown };
  std::string_view piece;  ///< byte_level: its bytes
  kind_of kind = text;
  unsigned char value = 0;                 ///< of a byte
  bool special = false;                    ///< omitted with skip_special
  bool spaced = false;                     ///< slow: decoded with spaces around it
  bool in_vocabulary_without_mark = true;  ///< slow: the vocabulary has it without its first ▁
};

/// Decodes tokens by decoding_rules.
class text_decoder {
 public:
  text_decoder(const decoding_rules& rules, bool skip_special) : rules_(rules), skip_special_(skip_special) {}

  /// Appends the text that is final after this token.
  void push(const decoded_token& t, std::string& out) {
    if (skip_special_ && t.special) return;
    switch (rules_.how) {
      case decoding::spaced:
        out.append(first_ ? "" : " ").append(t.piece);
        break;
      case decoding::byte_level:
        held_ += t.piece, give_whole_characters(out);
        break;
      case decoding::byte_fallback:
        push_byte_fallback(t, out);
        break;
      case decoding::metaspace:
        append_marked(t.piece, first_ && rules_.drops_first ? "" : " ", out);
        break;
      case decoding::sentencepiece:
        push_sentencepiece(t, out);
        break;
      case decoding::slow_legacy:
      case decoding::slow:
        push_slow(t, out);
        break;
    }
    first_ = false;
  }

  /// Appends the text held back and resets the decoder.
  void finish(std::string& out) {
    switch (rules_.how) {
      case decoding::byte_level:
        out += valid_utf8(held_);
        break;
      case decoding::byte_fallback:
        end_bytes(out);
        break;
      case decoding::sentencepiece:
        end_run(out);
        break;
      case decoding::slow_legacy:
      case decoding::slow:
        end_group(true, out);
        break;
      default:
        break;
    }
    *this = text_decoder(rules_, skip_special_);
  }

 private:
  static void append_marked(std::string_view piece, std::string_view space, std::string& out) {
    for (std::size_t at = piece.find(space_mark); at != std::string_view::npos; at = piece.find(space_mark)) {
      out.append(piece.substr(0, at)).append(space);
      piece.remove_prefix(at + space_mark.size());
    }
    out += piece;
  }

  /// Moves the complete characters of held_ to `out`, with U+FFFD for invalid bytes.
  void give_whole_characters(std::string& out, invalid_utf8 rule = invalid_utf8::by_run) {
    std::size_t at = 0;
    while (at < held_.size()) {
      const utf8_character c = utf8_at(held_, at);
      if (c.cut_short) break;
      out += c.valid ? std::string_view(held_).substr(at, c.bytes) : replacement_text;
      at += !c.valid && rule == invalid_utf8::by_byte ? 1 : c.bytes;
    }
    held_.erase(0, at);
  }

  // --- the tokenizers library ----------------------------------------------------------------------------------------
  void push_byte_fallback(const decoded_token& t, std::string& out) {
    if (rules_.bytes && t.kind == decoded_token::byte) {
      held_ += static_cast<char>(t.value);  // held back: a later invalid byte turns the whole run into U+FFFD
      return;
    }
    end_bytes(out);
    std::string text;
    if (rules_.marks)
      append_marked(t.piece, " ", text);
    else
      text = t.piece;
    give_stripped(text, out);
  }
  void end_bytes(std::string& out) {
    bool valid = true;
    for (std::size_t at = 0; valid && at < held_.size();) {
      const utf8_character c = utf8_at(held_, at);
      valid = c.valid;
      at += c.bytes;
    }
    std::string text;
    if (valid) text.swap(held_);
    for (std::size_t i = 0; i < held_.size(); ++i) text += replacement_text;
    held_.clear();
    give_stripped(text, out);
  }
  void give_stripped(std::string_view text, std::string& out) {
    while (stripped_ < rules_.strip && !text.empty() && text[0] == ' ') text.remove_prefix(1), ++stripped_;
    if (!text.empty()) stripped_ = rules_.strip;
    out += text;
  }

  // --- the SentencePiece library -------------------------------------------------------------------------------------
  void push_sentencepiece(const decoded_token& t, std::string& out) {
    if (t.kind == decoded_token::byte) {
      const std::size_t before = out.size();
      held_ += static_cast<char>(t.value);
      give_whole_characters(out, invalid_utf8::by_byte);
      run_has_text_ = run_has_text_ || out.size() > before || !held_.empty();
      return;
    }
    end_bytes_of_run(out);
    if (mark_dropped_ || run_has_text_) at_start_ = false;
    mark_dropped_ = false;
    const std::size_t before = out.size();
    std::string_view piece = t.piece;
    if (t.kind == decoded_token::text) {
      if (at_start_ && (rules_.dummy_prefix || rules_.collapses_spaces) &&
          piece.substr(0, space_mark.size()) == space_mark) {
        piece.remove_prefix(space_mark.size());
        mark_dropped_ = !rules_.collapses_spaces;
      }
      append_marked(piece, " ", out);
    } else if (t.kind == decoded_token::unknown) {
      out += rules_.unknown_surface;
    }
    run_has_text_ = run_has_text_ || out.size() > before;
  }
  void end_bytes_of_run(std::string& out) {
    for (std::size_t i = 0; i < held_.size(); ++i) out += replacement_text;
    held_.clear();
  }
  void end_run(std::string& out) {
    end_bytes_of_run(out);
    at_start_ = true;
    mark_dropped_ = run_has_text_ = false;
  }

  // --- transformers' Python LlamaTokenizer ---------------------------------------------------------------------------
  // Tokens with `apart` and the groups between them are joined by spaces. In a group, SentencePiece decodes the runs
  // between special tokens. Legacy puts a space before a run that a special token follows, so runs are held back.
  void push_slow(const decoded_token& t, std::string& out) {
    if (t.spaced) {
      end_group(false, out);
      out.append(parts_++ > 0 ? " " : "").append(t.piece);
      return;
    }
    const bool first = in_group_++ == 0;
    if (t.special) {
      if (!first && !after_special_ && rules_.how == decoding::slow_legacy) give(" ", out);
      end_run(run_);
      give(run_, out);
      run_.clear();
      give(t.piece, out);
      after_special_ = true;
      return;
    }
    after_special_ = false;
    decoded_token rest = t;
    if (first && t.piece.substr(0, space_mark.size()) == space_mark) {
      rest.piece.remove_prefix(space_mark.size());
      if (!t.in_vocabulary_without_mark) {  // the library outputs an unknown piece unchanged
        run_ += rest.piece;
        run_has_text_ = run_has_text_ || !rest.piece.empty();
      } else {
        push_sentencepiece(rest, run_);
      }
    } else {
      push_sentencepiece(rest, run_);
    }
    if (skip_special_ || rules_.how == decoding::slow) {
      give(run_, out);
      run_.clear();
    }
  }
  void end_group(bool last, std::string& out) {
    if (in_group_ == 0) return;
    end_run(run_);
    give(run_, out);
    run_.clear();
    if (last && !group_has_text_ && parts_ > 0) out += ' ';  // the last group is joined even if it is empty
    in_group_ = 0;
    group_has_text_ = after_special_ = false;
  }
  void give(std::string_view text, std::string& out) {
    if (text.empty()) return;
    if (!group_has_text_ && parts_++ > 0) out += ' ';
    group_has_text_ = true;
    out += text;
  }

  decoding_rules rules_;
  bool skip_special_;
  bool first_ = true;
  std::string held_;  // bytes held back
  int stripped_ = 0;  // byte_fallback: spaces stripped; `strip` once there is text
  bool at_start_ = true, mark_dropped_ = false, run_has_text_ = false;  // SentencePiece
  std::string run_;                                                     // slow: the run held back
  std::size_t in_group_ = 0, parts_ = 0;  // slow: tokens in this group, texts joined so far
  bool group_has_text_ = false, after_special_ = false;
};

LLAVA_END
