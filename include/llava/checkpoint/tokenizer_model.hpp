// SPDX-License-Identifier: Apache-2.0
/// tokenizer.model: a SentencePiece model, which is a protobuf message (sentencepiece_model.proto). Read by hand: of the
/// message only pieces, trainer_spec and normalizer_spec are looked at. Every length is held against what is left (R2).
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

namespace detail {

/// One field of a protobuf message.
struct protobuf_field {
  std::uint32_t number = 0;
  std::uint64_t value = 0;     // of varint and fixed fields
  std::string_view bytes{};    // of length-delimited fields
};

class protobuf_reader {
 public:
  explicit protobuf_reader(std::string_view message) : left_(message) {}
  bool end() const { return left_.empty(); }
  /// The next field; false when the bytes are no message.
  bool next(protobuf_field& f) {
    std::uint64_t key = 0, length = 0;
    f = {};
    if (!varint(key) || key >> 3 == 0 || key >> 3 > 0x1fffffff) return false;
    f.number = static_cast<std::uint32_t>(key >> 3);
    switch (key & 7) {
      case 0: return varint(f.value);
      case 1: return fixed(f.value, 8);
      case 5: return fixed(f.value, 4);
      case 2:
        if (!varint(length) || length > left_.size()) return false;
        f.bytes = left_.substr(0, length);
        left_.remove_prefix(length);
        return true;
      default: return false;
    }
  }

 private:
  bool varint(std::uint64_t& v) {
    v = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (left_.empty()) return false;
      const auto b = static_cast<unsigned char>(left_.front());
      left_.remove_prefix(1);
      v |= std::uint64_t{b & 0x7fu} << shift;
      if (!(b & 0x80)) return true;
    }
    return false;
  }
  bool fixed(std::uint64_t& v, std::size_t n) {
    if (left_.size() < n) return false;
    for (std::size_t i = 0; i < n; ++i) v |= std::uint64_t{static_cast<unsigned char>(left_[i])} << (8 * i);
    left_.remove_prefix(n);
    return true;
  }
  std::string_view left_;
};

enum class sentencepiece_type : std::uint64_t { normal = 1, unknown = 2, control = 3, user_defined = 4, unused = 5, byte = 6 };

inline bool is_byte_piece(std::string_view p) {
  const auto hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F'); };
  return p.size() == 6 && p.substr(0, 3) == "<0x" && hex(p[3]) && hex(p[4]) && p[5] == '>';
}

}  // namespace detail

inline result<tokenizer_data> try_read_tokenizer_model(std::string_view file, std::string_view bytes) {
  using detail::sentencepiece_type;
  const auto bad = [&](std::string_view what) { return fail(errc::invalid_format, text_of("llava: ", file, ": ", what)); };
  tokenizer_data d;
  d.prefix = prefix_space::always;
  d.strip_first_space = true;
  std::uint64_t model_type = 1;
  bool collapses_spaces = true, has_charsmap = false;
  detail::protobuf_reader model(bytes);
  detail::protobuf_field f, inner;
  while (!model.end()) {
    if (!model.next(f)) return bad("not a SentencePiece model");
    detail::protobuf_reader message(f.bytes);
    if (f.number == 1) {  // SentencePiece { piece = 1, score = 2, type = 3 }
      std::string piece;
      float score = 0;
      auto type = sentencepiece_type::normal;
      while (!message.end()) {
        if (!message.next(inner)) return bad(text_of("piece ", d.pieces.size(), " is damaged"));
        if (inner.number == 1) piece = inner.bytes;
        if (inner.number == 2) score = std::bit_cast<float>(static_cast<std::uint32_t>(inner.value));
        if (inner.number == 3) type = static_cast<sentencepiece_type>(inner.value);
      }
      const auto id = static_cast<std::int32_t>(d.pieces.size());
      if (d.pieces.size() >= (std::size_t{1} << 24)) return bad("more than 16777216 pieces");
      if (piece.empty() || !(score == score)) return bad(text_of("piece ", id, " is empty or has no score"));
      if (type == sentencepiece_type::byte && !detail::is_byte_piece(piece)) return bad(text_of("piece ", id, " is of type byte but is not <0xNN>"));
      if (type == sentencepiece_type::unknown) d.unknown = id;
      if (type == sentencepiece_type::control) {
        d.added.push_back({piece, id, true});
        if (piece == "<s>") d.bos = id;
        if (piece == "</s>") d.eos = id;
      }
      if (type == sentencepiece_type::user_defined) d.added.push_back({piece, id, false});
      if (type == sentencepiece_type::normal && !d.ids.emplace(piece, id).second) return bad(text_of("piece ", id, " stands twice"));
      d.is_byte.push_back(type == sentencepiece_type::byte);
      if (type == sentencepiece_type::byte) d.byte_fallback = true;
      d.pieces.push_back(std::move(piece));
      d.scores.push_back(score);
    } else if (f.number == 2) {  // TrainerSpec { model_type = 3 }
      while (!message.end()) {
        if (!message.next(inner)) return bad("trainer_spec is damaged");
        if (inner.number == 3) model_type = inner.value;
      }
    } else if (f.number == 3) {  // NormalizerSpec { precompiled_charsmap = 2, add_dummy_prefix = 3, remove_extra_whitespaces = 4 }
      while (!message.end()) {
        if (!message.next(inner)) return bad("normalizer_spec is damaged");
        if (inner.number == 2) has_charsmap = !inner.bytes.empty();
        if (inner.number == 3 && inner.value == 0) d.prefix = prefix_space::never, d.strip_first_space = false;
        if (inner.number == 4) collapses_spaces = inner.value != 0;
      }
    }
  }
  if (d.pieces.empty()) return bad("no pieces");
  if (model_type != 2) return fail(errc::unsupported, text_of("llava: ", file, ": a SentencePiece model of type ", model_type == 1 ? "unigram" : "word or character", "; only BPE is read"));
  if (collapses_spaces || has_charsmap)
    return fail(errc::unsupported, text_of("llava: ", file, ": it normalises text (", collapses_spaces ? "remove_extra_whitespaces" : "precompiled_charsmap", "); only identity is read"));
  if (d.byte_fallback)
    for (int b = 0; b < 256; ++b) {
      static constexpr char digits[] = "0123456789ABCDEF";
      const std::string piece{'<', '0', 'x', digits[b / 16], digits[b % 16], '>'};
      bool found = false;
      for (std::size_t i = 0; i < d.pieces.size() && !found; ++i) found = d.is_byte[i] && d.pieces[i] == piece;
      if (!found) return bad(text_of("byte piece ", piece, " is missing"));
    }
  return d;
}

LLAVA_END
