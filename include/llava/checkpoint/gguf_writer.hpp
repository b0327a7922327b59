// SPDX-License-Identifier: Apache-2.0
/// gguf_writer: writes a GGUF file of version 3 front to back (gguf_part.hpp has the format). The caller states all
/// keys and tensors first, then writes the tensors' bytes in the same order, in pieces of any size. Each tensor begins
/// at a multiple of 32 bytes, behind the one before it, and the last is padded too, as llama.cpp requires.
#pragma once
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/dtype.hpp>
#include <llava/base/error.hpp>
#include <llava/checkpoint/gguf_keys.hpp>
#include <llava/checkpoint/new_file.hpp>

LLAVA_BEGIN

namespace detail {

/// The bytes of a number in a file.
template <class T>
void append_number(std::string& to, T value) {
  to.append(reinterpret_cast<const char*>(&value), sizeof(T));
}
/// The bytes of a text in a GGUF file: its length and its characters.
inline void append_gguf_text(std::string& to, std::string_view text) {
  append_number(to, std::uint64_t{text.size()});
  to += text;
}

/// The number of a type of floats in GGUF files.
constexpr std::uint32_t gguf_number(dtype type) {
  return type == dtype::float16 ? 1 : type == dtype::bfloat16 ? 30 : 0;
}

}  // namespace detail

/// The keys of a new file, in their order. Readers expect each key in one type, so the overloads state it.
class gguf_new_keys {
 public:
  void set(std::string_view key, std::uint32_t v) { append(key, gguf_type::uint32, v); }
  void set(std::string_view key, float v) { append(key, gguf_type::float32, v); }
  void set(std::string_view key, bool v) { append(key, gguf_type::boolean, static_cast<std::uint8_t>(v)); }
  void set(std::string_view key, std::string_view v) {
    begin(key, gguf_type::text);
    detail::append_gguf_text(bytes_, v);
  }
  void set(std::string_view key, const char* v) { set(key, std::string_view(v)); }
  void set(std::string_view key, const std::vector<std::string>& v) {
    begin_array(key, gguf_type::text, v.size());
    for (const std::string& text : v) detail::append_gguf_text(bytes_, text);
  }
  void set(std::string_view key, const std::vector<float>& v) { append_all(key, gguf_type::float32, v); }
  void set(std::string_view key, const std::vector<std::int32_t>& v) { append_all(key, gguf_type::int32, v); }
  /// A number that is not negative, as u32.
  void set_count(std::string_view key, std::int64_t v) { set(key, static_cast<std::uint32_t>(v)); }

  /// A key of another file, as it is there.
  void copy(std::string_view key, const gguf_value& v) {
    if (v.is_array())
      begin_array(key, v.type(), v.size());
    else
      begin(key, v.type());
    if (v.type() == gguf_type::text && !v.is_array())
      detail::append_gguf_text(bytes_, v.stored());
    else
      bytes_ += v.stored();
  }

  const std::string& bytes() const { return bytes_; }
  std::uint64_t count() const { return count_; }

 private:
  void begin(std::string_view key, gguf_type type) {
    detail::append_gguf_text(bytes_, key);
    detail::append_number(bytes_, type);
    ++count_;
  }
  void begin_array(std::string_view key, gguf_type type, std::size_t count) {
    begin(key, gguf_type::array);
    detail::append_number(bytes_, type);
    detail::append_number(bytes_, std::uint64_t{count});
  }
  template <class T>
  void append(std::string_view key, gguf_type type, T v) {
    begin(key, type);
    detail::append_number(bytes_, v);
  }
  template <class T>
  void append_all(std::string_view key, gguf_type type, const std::vector<T>& v) {
    begin_array(key, type, v.size());
    for (const T& one : v) detail::append_number(bytes_, one);
  }

  std::string bytes_;
  std::uint64_t count_ = 0;
};

/// A tensor of floats of a new file. Its extents have the contiguous one last, as everywhere but in the file.
struct gguf_new_tensor {
  std::string name;
  dtype type = dtype::float32;
  std::vector<std::size_t> dims;

  std::uint64_t bytes() const {
    std::uint64_t n = size_of(type);
    for (const std::size_t d : dims) n *= d;
    return n;
  }
};

/// A GGUF file being written. It is complete when try_finish has succeeded.
class gguf_writer {
 public:
  static constexpr std::uint64_t alignment = 32;

  /// Creates `file`, which must not exist, and writes everything in front of the data.
  static result<gguf_writer> try_create(const std::string& file, const gguf_new_keys& keys,
                                        std::span<const gguf_new_tensor> tensors) {
    gguf_writer w;
    LLAVA_TRY(created, new_file::try_create(file));
    w.file_ = std::move(created);
    std::string head = "GGUF";
    detail::append_number(head, std::uint32_t{3});
    detail::append_number(head, std::uint64_t{tensors.size()});
    detail::append_number(head, keys.count());
    head += keys.bytes();
    std::uint64_t offset = 0;
    for (const gguf_new_tensor& t : tensors) {
      detail::append_gguf_text(head, t.name);
      detail::append_number(head, static_cast<std::uint32_t>(t.dims.size()));
      for (std::size_t a = t.dims.size(); a-- > 0;) detail::append_number(head, std::uint64_t{t.dims[a]});
      detail::append_number(head, detail::gguf_number(t.type));
      detail::append_number(head, offset);
      offset += t.bytes() + padding_after(t.bytes());
    }
    head.append(padding_after(head.size()), '\0');
    LLAVA_CHECK(w.file_.try_write(head));
    return result<gguf_writer>(std::move(w));
  }

  /// Writes the next bytes of a tensor.
  result<void> try_write(std::span<const std::byte> bytes) {
    written_ += bytes.size();
    return file_.try_write(bytes);
  }
  /// Call after the last byte of each tensor.
  result<void> try_end_tensor() {
    const std::string padding(padding_after(written_), '\0');
    written_ = 0;
    return file_.try_write(padding);
  }
  /// Call after the last tensor. The file is on disk when this returns.
  result<void> try_finish() { return file_.try_finish(); }

 private:
  static std::size_t padding_after(std::uint64_t bytes) {
    return (alignment - bytes % alignment) % alignment;
  }

  new_file file_;
  std::uint64_t written_ = 0;  // of the tensor
};

LLAVA_END
