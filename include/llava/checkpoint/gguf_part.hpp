// SPDX-License-Identifier: Apache-2.0
/// gguf_part: one mapped GGUF file, in version 2 or 3 of the format; nothing is copied but names. Everything that the
/// format forbids is refused, and every size is checked against the bytes that are left before it is used (R2). Limits
/// of this library: texts of 1 MiB, arrays of 2^24 elements, 65,536 keys, 65,536 tensors, an alignment of 64 KiB.
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
///
///   "GGUF", u32 version, u64 tensors, u64 keys
///   key: name, u32 type, value             (gguf_keys.hpp)
///   tensor: name, u32 axes (at most 4), u64 extents, the contiguous one first, u32 type, u64 offset in the data
///   data, from the next multiple of the alignment
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <llava/base/stand_in.hpp>
#include <llava/checkpoint/file_identity.hpp>
#include <llava/checkpoint/gguf_keys.hpp>
#include <llava/checkpoint/gguf_rows.hpp>
#include <llava/checkpoint/tensor_source.hpp>
#include <llava/quant/ggml_blocks.hpp>
#include <llava/tensor/mapped_file.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// One mapped file of a model.
class gguf_part {
 public:
  /// A tensor, and its place in the data.
  struct entry {
    stored_tensor tensor;
    const ggml_type* type = nullptr;
    std::uint64_t offset = 0, size = 0;
  };
  static constexpr std::uint64_t most_keys = 65536, most_tensors = 65536, largest_alignment = 65536;

  static result<gguf_part> try_open(const std::string& file) {
    LLAVA_TRY(mapped, mapped_file::try_open(file));
    gguf_part p;
    p.mapped_ = std::move(mapped);
    p.keys_ = gguf_keys(file);
    LLAVA_CHECK(p.try_read());
    return result<gguf_part>(std::move(p));
  }

  const gguf_keys& keys() const { return keys_; }
  std::vector<entry>& tensors() { return tensors_; }

  void forget_pages() const { mapped_.forget_pages(); }
  /// A text that changes when the file is rewritten with other weights.
  std::string identity() const {
    const std::span<const std::byte> bytes = mapped_.bytes();
    file_identity all(mapped_);
    all.add_header(bytes.first(bytes.size() - data_.size()));
    for (const place& p : places_) all.add_part(bytes_of(p));
    return all.text();
  }

 private:
  using place = std::pair<std::uint64_t, std::uint64_t>;  // offset in the data, size
  std::span<const std::byte> bytes_of(const place& p) const { return data_.subspan(p.first, p.second); }
  std::string_view text() const {
    return {reinterpret_cast<const char*>(mapped_.bytes().data()), mapped_.bytes().size()};
  }
  error bad(std::string_view what) const {
    return fail(errc::invalid_format, text_of("llava: ", keys_.file(), ": ", what));
  }

  result<void> try_read() {
    gguf_cursor cursor(text());
    std::string_view magic;
    std::uint32_t version = 0;
    std::uint64_t tensors = 0, keys = 0;
    if (!cursor.bytes(4, magic) || magic != "GGUF") {
      const std::string_view instead = stand_in(text().substr(0, 1024));
      if (!instead.empty()) return fail(errc::invalid_format, text_of("llava: ", keys_.file(), " is ", instead));
      return bad("not a GGUF file: it does not begin with \"GGUF\"");
    }
    if (!cursor.next(version)) return bad("it ends inside the header");
    if ((version & 0xffff) == 0 && version != 0)
      return fail(errc::unsupported,
                  text_of("llava: ", keys_.file(), " is a big-endian GGUF file; convert it again on ",
                          "a little-endian machine"));
    if (version != 2 && version != 3)
      return fail(errc::unsupported, text_of("llava: ", keys_.file(), " is GGUF of version ", version,
                                             ", expected 2 or 3; convert the model again"));
    if (!cursor.next(tensors) || !cursor.next(keys)) return bad("it ends inside the header");
    constexpr std::uint64_t least_key = 14, least_tensor = 24;  // bytes
    if (keys > most_keys || keys > cursor.left() / least_key)
      return bad(text_of("its header states ", keys, " keys, expected at most ",
                         (std::min)(most_keys, std::uint64_t{cursor.left()} / least_key), " in a file of this size"));
    if (tensors > most_tensors || tensors > cursor.left() / least_tensor)
      return bad(text_of("its header states ", tensors, " tensors, expected at most ",
                         (std::min)(most_tensors, std::uint64_t{cursor.left()} / least_tensor),
                         " in a file of this size"));
    for (std::uint64_t i = 0; i < keys; ++i) LLAVA_CHECK(try_read_key(cursor, i));
    LLAVA_TRY(alignment, try_alignment());
    for (std::uint64_t i = 0; i < tensors; ++i) LLAVA_CHECK(try_read_tensor(cursor, i, alignment));
    const std::size_t padding = (alignment - cursor.at() % alignment) % alignment;
    if (padding < cursor.left()) data_ = mapped_.bytes().subspan(cursor.at() + padding);
    return try_place();
  }

  result<void> try_read_key(gguf_cursor& cursor, std::uint64_t number) {
    std::string_view key;
    gguf_value value;
    if (!cursor.text(key)) return bad(text_of("it ends inside the name of key ", number, ", or the name is too long"));
    const bool printable = std::all_of(key.begin(), key.end(), [](char c) { return c >= ' ' && c <= '~'; });
    if (key.empty() || key.size() > 65535 || !printable)
      return bad(text_of("the name of key ", number, " must be 1 to 65535 printable ASCII characters"));
    if (!value.read(cursor))
      return bad(text_of("the value of \"", shown(key), "\" is malformed: it needs a type of 0 to 12, no array of ",
                         "arrays, texts of at most ", gguf_cursor::longest_text, " bytes, arrays of at most ",
                         gguf_value::longest_array, " elements, and must end inside the file"));
    if (!keys_.add(key, value)) return bad(text_of("the key \"", shown(key), "\" is repeated"));
    return {};
  }

  result<std::uint32_t> try_alignment() const {
    const gguf_value* v = keys_.find("general.alignment");
    if (!v) return std::uint32_t{32};
    const std::int64_t a = v->type() == gguf_type::uint32 && !v->is_array() ? *v->integer() : 0;
    if (a < 1 || a > std::int64_t{largest_alignment} || (a & (a - 1)) != 0)
      return keys_.wrong("general.alignment", text_of("a u32 that is a power of two, at most ", largest_alignment));
    return static_cast<std::uint32_t>(a);
  }

  /// Number of blocks, or `most` + 1 if there are more; no product overflows.
  static std::uint64_t blocks_of_tensor(const std::uint64_t (&extents)[4], const ggml_type& type, std::uint64_t most) {
    std::uint64_t blocks = extents[0] / type.elements;
    for (int a = 1; a < 4; ++a) {
      if (blocks == 0 || extents[a] == 0) return 0;
      if (blocks > most / extents[a]) return most + 1;
      blocks *= extents[a];
    }
    return blocks;
  }

  result<void> try_read_tensor(gguf_cursor& cursor, std::uint64_t number, std::uint32_t alignment) {
    std::string_view name;
    std::uint32_t axes = 0, id = 0;
    std::uint64_t extents[4] = {1, 1, 1, 1};
    entry e;
    if (!cursor.text(name)) return bad(text_of("it ends inside the name of tensor ", number, ", or it is too long"));
    if (name.empty() || name.size() > 63)
      return bad(text_of("the name of tensor ", number, " has ", name.size(), " bytes, expected 1 to 63"));
    const auto bad_tensor = [&](std::string_view what) { return bad(text_of("tensor ", shown(name), ": ", what)); };
    if (!cursor.next(axes)) return bad_tensor("the file ends here");
    if (axes > 4) return bad_tensor(text_of("has ", axes, " axes, expected at most 4"));
    for (std::uint32_t a = 0; a < axes; ++a)
      if (!cursor.next(extents[a])) return bad_tensor("the file ends here");
    if (!cursor.next(id) || !cursor.next(e.offset)) return bad_tensor("the file ends here");
    const ggml_type* type = find_ggml_type(id);
    if (!type) return bad_tensor(text_of("has the unknown type ", id));
    if (extents[0] % type->elements != 0)
      return bad_tensor(text_of("has rows of ", extents[0], " elements, expected a multiple of the ", type->elements,
                                " in a block of ", type->name));
    if (e.offset % alignment != 0)
      return bad_tensor(text_of("begins at byte ", e.offset, " of the data, expected a multiple of ", alignment));
    const std::uint64_t most = mapped_.bytes().size() / type->bytes, blocks = blocks_of_tensor(extents, *type, most);
    if (blocks == 0) return bad_tensor("has no elements");
    if (blocks > most) return bad_tensor(text_of("is larger than the file of ", mapped_.bytes().size(), " bytes"));
    e.type = type;
    e.size = blocks * type->bytes;
    e.tensor.name = name;
    e.tensor.file = keys_.file();
    for (std::uint32_t a = axes; a-- > 0;) e.tensor.dims.push_back(extents[a]);
    tensors_.push_back(std::move(e));
    return {};
  }

  /// Checks the places of all tensors in the data, and gives them their bytes or rows.
  result<void> try_place() {
    for (entry& e : tensors_) {
      if (e.offset > data_.size() || e.size > data_.size() - e.offset)
        return bad(text_of("tensor ", shown(e.tensor.name), ": its ", e.size, " bytes at byte ", e.offset,
                           " are not inside the ", data_.size(), " bytes of data"));
      places_.emplace_back(e.offset, e.size);
      set_values(e.tensor, *e.type, bytes_of(places_.back()));
    }
    std::sort(places_.begin(), places_.end());
    for (std::size_t i = 1; i < places_.size(); ++i)
      if (places_[i].first < places_[i - 1].first + places_[i - 1].second)
        return bad(text_of("two tensors overlap at byte ", places_[i].first, " of the data"));
    return {};
  }

  static void set_values(stored_tensor& t, const ggml_type& type, std::span<const std::byte> bytes) {
    if (type.name == "F32" || type.name == "F16" || type.name == "BF16") {
      t.type = type.name == "F32" ? dtype::float32 : type.name == "F16" ? dtype::float16 : dtype::bfloat16;
      t.bytes = bytes;
    } else if (!type.decode || t.dims.size() < 2) {  // files hold vectors as floats
      t.type = dtype::uint8, t.unsupported_type = type.name;
    } else {
      t.rows = std::make_shared<block_rows>(type, bytes.data(), t.columns());
      t.stored_type = type.name, t.stored_bytes = bytes.size();
    }
  }

  mapped_file mapped_;
  gguf_keys keys_;
  std::span<const std::byte> data_;
  std::vector<entry> tensors_;
  std::vector<place> places_;  // ascending
};

}  // namespace detail

LLAVA_END
