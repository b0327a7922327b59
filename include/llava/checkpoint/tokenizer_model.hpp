// SPDX-License-Identifier: Apache-2.0
/// tokenizer.model: a SentencePiece model, which is a protobuf message (sentencepiece_model.proto), parsed by hand:
/// pieces, trainer_spec, normalizer_spec and denormalizer_spec are read, other fields are skipped. Every length is
/// checked against the bytes that are left (R2).
///
/// Only BPE with identity normalisation is supported. Other types and normalisers are errors that name them.
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/base/stand_in.hpp>
#include <llava/text/sentencepiece_bpe.hpp>

LLAVA_BEGIN

namespace detail {

/// The same error with the file's name in front.
inline error in_file(std::string_view file, const error& e) {
  std::string_view sentence = e.what();
  if (sentence.starts_with("llava: ")) sentence.remove_prefix(7);
  return fail(e.code(), text_of("llava: ", file, ": ", sentence));
}

/// One field of a protobuf message.
struct protobuf_field {
  enum wire_type : std::uint8_t { varint = 0, fixed64 = 1, delimited = 2, fixed32 = 5 };
  std::uint32_t number = 0;
  wire_type type = varint;
  std::uint64_t value = 0;   // of varint and fixed fields
  std::string_view bytes{};  // of delimited fields

  bool is(std::uint32_t n, wire_type t) const { return number == n && type == t; }
};

class protobuf_reader {
 public:
  explicit protobuf_reader(std::string_view message) : left_(message) {}
  bool end() const { return left_.empty(); }
  /// Reads the next field; false when the bytes are not a protobuf message.
  bool next(protobuf_field& f) {
    std::uint64_t key = 0, length = 0;
    f = {};
    if (!varint(key) || key >> 3 == 0 || key >> 3 > 0x1fffffff) return false;
    f.number = static_cast<std::uint32_t>(key >> 3);
    f.type = static_cast<protobuf_field::wire_type>(key & 7);
    switch (f.type) {
      case protobuf_field::varint:
        return varint(f.value);
      case protobuf_field::fixed64:
        return fixed(f.value, 8);
      case protobuf_field::fixed32:
        return fixed(f.value, 4);
      case protobuf_field::delimited:
        if (!varint(length) || length > left_.size()) return false;
        f.bytes = left_.substr(0, length);
        left_.remove_prefix(length);
        return true;
      default:
        return false;  // groups are obsolete
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

/// Calls field(f) for each field; false when the bytes are not a protobuf message.
template <class F>
bool each_field(std::string_view message, F&& field) {
  protobuf_reader reader(message);
  protobuf_field f;
  while (!reader.end()) {
    if (!reader.next(f)) return false;
    field(f);
  }
  return true;
}

}  // namespace detail

/// Parses the bytes of a SentencePiece model into its pieces and settings; `file` is its name in errors.
inline result<sentencepiece_model> try_read_sentencepiece(std::string_view file, std::string_view bytes) {
  return guarded([&]() -> result<sentencepiece_model> {
    using field = detail::protobuf_field;
    const auto bad = [&](std::string_view what) {
      const std::string_view instead = stand_in(bytes);
      if (!instead.empty()) return fail(errc::invalid_format, text_of("llava: ", file, " is ", instead));
      return fail(errc::invalid_format, text_of("llava: ", file, ": ", what));
    };
    const auto unsupported = [&](std::string_view what) {
      return fail(errc::unsupported, text_of("llava: ", file, ": ", what));
    };
    sentencepiece_model m;
    std::uint64_t model_type = 1;
    bool suffix = false, escapes = true, normalises = false, denormalises = false, sound = true;
    std::string normaliser = "identity";

    const auto piece = [&](const field& f) {
      sentencepiece_model::piece& p = m.pieces.back();
      if (f.is(1, field::delimited)) p.text = f.bytes;
      if (f.is(2, field::fixed32)) p.score = std::bit_cast<float>(static_cast<std::uint32_t>(f.value));
      if (f.is(3, field::varint)) p.type = static_cast<piece_type>(f.value <= 6 ? f.value : 0);
    };
    const auto trainer = [&](const field& f) {
      if (f.is(3, field::varint)) model_type = f.value;
      if (f.is(24, field::varint)) suffix = f.value != 0;
      if (f.is(35, field::varint)) m.byte_fallback = f.value != 0;
      if (f.is(44, field::delimited)) m.unknown_surface = f.bytes;
      if (f.is(46, field::delimited)) m.bos_piece = f.bytes;
      if (f.is(47, field::delimited)) m.eos_piece = f.bytes;
      if (f.is(48, field::delimited)) m.pad_piece = f.bytes;
    };
    const auto normalizer = [&](const field& f) {
      if (f.is(1, field::delimited)) normaliser = f.bytes;
      if (f.is(2, field::delimited)) normalises = !f.bytes.empty();
      if (f.is(3, field::varint)) m.add_dummy_prefix = f.value != 0;
      if (f.is(4, field::varint)) m.remove_extra_whitespaces = f.value != 0;
      if (f.is(5, field::varint)) escapes = f.value != 0;
    };
    const bool message = detail::each_field(bytes, [&](const field& f) {
      if (f.type != field::delimited || !sound) return;
      if (f.number == 1) {
        sound = m.pieces.size() < (std::size_t{1} << 20);  // four times the largest known vocabulary
        m.pieces.emplace_back();
        sound = sound && detail::each_field(f.bytes, piece);
      }
      if (f.number == 2) sound = detail::each_field(f.bytes, trainer);
      if (f.number == 3) sound = detail::each_field(f.bytes, normalizer);
      if (f.number == 5)
        sound = detail::each_field(f.bytes, [&](const field& g) {
          denormalises = denormalises || (g.is(2, field::delimited) && !g.bytes.empty());
        });
    });
    if (!message || !sound || m.pieces.empty())
      return bad(text_of("not a SentencePiece model; it breaks off after ", m.pieces.size(), " pieces"));
    if (model_type != 2)
      return unsupported(text_of("a SentencePiece model of type ",
                                 model_type == 1   ? "unigram"
                                 : model_type == 3 ? "word"
                                 : model_type == 4 ? "char"
                                                   : "unknown",
                                 ", expected bpe"));
    if (normalises || denormalises)
      return unsupported(text_of("its normaliser '", normaliser, "' changes characters, expected identity"));
    if (suffix || !escapes)
      return unsupported(suffix ? "treat_whitespace_as_suffix is not supported"
                                : "escape_whitespaces = false is not supported");
    return result<sentencepiece_model>(std::move(m));
  });
}

/// Parses the bytes of a SentencePiece model; `file` is its name in errors.
inline result<sentencepiece_bpe> try_read_tokenizer_model(std::string_view file, std::string_view bytes) {
  LLAVA_TRY(model, try_read_sentencepiece(file, bytes));
  result<sentencepiece_bpe> made = sentencepiece_bpe::try_make(std::move(model));
  if (!made) return detail::in_file(file, made.error());
  return made;
}

LLAVA_END
