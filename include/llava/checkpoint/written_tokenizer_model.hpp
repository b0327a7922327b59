// SPDX-License-Identifier: Apache-2.0
/// The bytes of a tokenizer.model: a SentencePiece model as a protobuf message, the inverse of tokenizer_model.hpp. It
/// has the pieces with their scores and types, and of the settings those that change ids or texts.
#pragma once
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>

#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/text/sentencepiece_bpe.hpp>

LLAVA_BEGIN

namespace detail {

/// A protobuf message under construction.
class protobuf_writer {
 public:
  void add(std::uint32_t field, std::uint64_t value) {
    begin(field, protobuf_field::varint);
    append(value);
  }
  void add(std::uint32_t field, float value) {
    begin(field, protobuf_field::fixed32);
    for (std::uint32_t bits = std::bit_cast<std::uint32_t>(value), i = 0; i < 4; ++i, bits >>= 8)
      bytes_ += static_cast<char>(bits & 0xff);
  }
  void add(std::uint32_t field, std::string_view bytes) {
    begin(field, protobuf_field::delimited);
    append(bytes.size());
    bytes_ += bytes;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void begin(std::uint32_t field, protobuf_field::wire_type type) { append(std::uint64_t{field} << 3 | type); }
  void append(std::uint64_t varint) {
    for (; varint >= 0x80; varint >>= 7) bytes_ += static_cast<char>((varint & 0x7f) | 0x80);
    bytes_ += static_cast<char>(varint);
  }

  std::string bytes_;
};

/// The message ModelProto of sentencepiece_model.proto. An id is −1 for a token that the model lacks.
inline std::string written_tokenizer_model(const sentencepiece_model& m, std::int32_t unknown, std::int32_t bos,
                                           std::int32_t eos, std::int32_t pad) {
  constexpr std::uint64_t bpe = 2;
  protobuf_writer all, trainer, normalizer;
  for (const sentencepiece_model::piece& p : m.pieces) {
    protobuf_writer piece;
    piece.add(1, std::string_view(p.text));
    piece.add(2, p.score);
    piece.add(3, static_cast<std::uint64_t>(p.type));
    all.add(1, std::string_view(piece.bytes()));
  }
  // A negative int32 is the varint of its 64 bits.
  const auto id = [](std::int32_t n) { return static_cast<std::uint64_t>(std::int64_t{n}); };
  const auto text = [&](std::int32_t n, const std::string& otherwise) {
    const bool known = n >= 0 && static_cast<std::size_t>(n) < m.pieces.size();
    return std::string_view(known ? m.pieces[static_cast<std::size_t>(n)].text : otherwise);
  };
  trainer.add(3, bpe);
  trainer.add(4, std::uint64_t{m.pieces.size()});
  trainer.add(35, std::uint64_t{m.byte_fallback});
  trainer.add(40, id(unknown));
  trainer.add(41, id(bos));
  trainer.add(42, id(eos));
  trainer.add(43, id(pad));
  trainer.add(44, std::string_view(m.unknown_surface));
  trainer.add(45, text(unknown, "<unk>"));
  trainer.add(46, text(bos, m.bos_piece));
  trainer.add(47, text(eos, m.eos_piece));
  trainer.add(48, text(pad, m.pad_piece));
  normalizer.add(1, std::string_view("identity"));
  normalizer.add(3, std::uint64_t{m.add_dummy_prefix});
  normalizer.add(4, std::uint64_t{m.remove_extra_whitespaces});
  normalizer.add(5, std::uint64_t{1});  // a space is written as ▁
  all.add(2, std::string_view(trainer.bytes()));
  all.add(3, std::string_view(normalizer.bytes()));
  return all.bytes();
}

}  // namespace detail

LLAVA_END
