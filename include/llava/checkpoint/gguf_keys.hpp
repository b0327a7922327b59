// SPDX-License-Identifier: Apache-2.0
/// gguf_keys: the keys of a GGUF file and their typed values, which stay in the mapped file. Every size is checked
/// against the bytes that are left (R2), so reading a value later cannot fail. Integers may have any integer type.
/// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// The types of values, with the file's numbers.
enum class gguf_type : std::uint32_t {
  uint8,
  int8,
  uint16,
  int16,
  uint32,
  int32,
  float32,
  boolean,
  text,
  array,
  uint64,
  int64,
  float64
};

namespace detail {

/// Bytes of a value; 0 for texts and arrays.
constexpr std::size_t size_of(gguf_type t) {
  constexpr std::size_t sizes[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
  return sizes[static_cast<std::size_t>(t)];
}

/// Reads little-endian numbers and texts in order. A call returns false at the end of the bytes.
class gguf_cursor {
 public:
  static constexpr std::size_t longest_text = std::size_t{1} << 20;

  explicit gguf_cursor(std::string_view bytes) : bytes_(bytes) {}
  std::size_t at() const { return at_; }
  std::size_t left() const { return bytes_.size() - at_; }

  template <class T>
  bool next(T& value) {
    if (left() < sizeof(T)) return false;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return true;
  }
  bool bytes(std::uint64_t count, std::string_view& to) {
    if (count > left()) return false;
    to = bytes_.substr(at_, count);
    at_ += to.size();
    return true;
  }
  /// A text: its length as u64, and its bytes, at most 1 MiB.
  bool text(std::string_view& to) {
    std::uint64_t length = 0;
    return next(length) && length <= longest_text && bytes(length, to);
  }

 private:
  std::string_view bytes_;
  std::size_t at_ = 0;
};

}  // namespace detail

/// A value: one number, truth value or text, or an array of them.
class gguf_value {
 public:
  static constexpr std::uint64_t longest_array = std::uint64_t{1} << 24;

  /// Reads the type and the value; false when they are malformed.
  bool read(detail::gguf_cursor& from) {
    if (!from.next(type_) || type_ > gguf_type::float64) return false;
    is_array_ = type_ == gguf_type::array;
    if (is_array_ && (!from.next(type_) || type_ > gguf_type::float64 || type_ == gguf_type::array ||
                      !from.next(count_) || count_ > longest_array))
      return false;
    if (type_ != gguf_type::text) return from.bytes(count_ * detail::size_of(type_), bytes_);
    if (!is_array_) return from.text(bytes_);
    detail::gguf_cursor texts = from;
    std::string_view one;
    for (std::uint64_t i = 0; i < count_; ++i)
      if (!texts.text(one)) return false;
    return from.bytes(texts.at() - from.at(), bytes_);
  }

  /// Type of the value, or of the elements of an array.
  gguf_type type() const { return type_; }
  bool is_array() const { return is_array_; }
  /// Number of elements; 1 if it is no array.
  std::size_t size() const { return static_cast<std::size_t>(count_); }

  /// @name Element i < size(), if it has such a type
  /// @{
  std::optional<std::int64_t> integer(std::size_t i = 0) const {
    switch (type_) {
      case gguf_type::uint8:
        return at<std::uint8_t>(i);
      case gguf_type::int8:
        return at<std::int8_t>(i);
      case gguf_type::uint16:
        return at<std::uint16_t>(i);
      case gguf_type::int16:
        return at<std::int16_t>(i);
      case gguf_type::uint32:
        return at<std::uint32_t>(i);
      case gguf_type::int32:
        return at<std::int32_t>(i);
      case gguf_type::int64:
        return at<std::int64_t>(i);
      case gguf_type::uint64:
        if (const auto v = at<std::uint64_t>(i); v <= INT64_MAX) return static_cast<std::int64_t>(v);
        return std::nullopt;
      default:
        return std::nullopt;
    }
  }
  std::optional<double> number(std::size_t i = 0) const {
    if (type_ == gguf_type::float32) return static_cast<double>(at<float>(i));
    if (type_ == gguf_type::float64) return at<double>(i);
    const auto whole = integer(i);
    return whole ? std::optional(static_cast<double>(*whole)) : std::nullopt;
  }
  std::optional<bool> boolean() const {
    return type_ == gguf_type::boolean && !is_array_ ? std::optional(at<std::uint8_t>(0) != 0) : std::nullopt;
  }
  std::optional<std::string_view> text() const {
    return type_ == gguf_type::text && !is_array_ ? std::optional(bytes_) : std::nullopt;
  }
  /// @}

  /// The value as the file has it, without its type: of a text its bytes, of an array its elements.
  std::string_view stored() const { return bytes_; }
  /// The texts of an array of texts; empty for any other value.
  std::vector<std::string_view> texts() const {
    std::vector<std::string_view> all;
    if (type_ != gguf_type::text || !is_array_) return all;
    all.resize(size());
    detail::gguf_cursor cursor(bytes_);
    for (std::string_view& one : all) cursor.text(one);
    return all;
  }

 private:
  template <class T>
  T at(std::size_t i) const {
    T value;
    std::memcpy(&value, bytes_.data() + i * sizeof(T), sizeof(T));
    return value;
  }

  gguf_type type_ = gguf_type::uint8;
  bool is_array_ = false;
  std::uint64_t count_ = 1;
  std::string_view bytes_;
};

/// Keys of our own: what the reference's files state about a model and no key of the format does. Other programs ignore
/// them. A file without them is read by the rules of gguf_checkpoint.hpp.
namespace gguf_own_keys {
/// u32: the id of `<image>`. The prompt is that of transformers' LlavaProcessor, and so is the preparation of images.
inline constexpr const char* image_token = "llava.image_token_id";
/// The tokenizer class that the reference uses on SentencePiece models: "fast" (tokenizer.json), "slow" (LlamaTokenizer
/// in Python) or "slow_legacy" (the same with `legacy`).
inline constexpr const char* tokenizer = "llava.tokenizer";
/// u32: the limit of a prompt in tokens with images (tokenizer_model_max_length).
inline constexpr const char* longest_prompt = "llava.longest_prompt";
}  // namespace gguf_own_keys

/// The keys of a file. Its errors name the file and the key.
class gguf_keys {
 public:
  gguf_keys() = default;
  explicit gguf_keys(std::string file) : file_(std::move(file)) {}

  /// Adds a key; false when it is there already.
  bool add(std::string_view key, const gguf_value& value) { return values_.emplace(key, value).second; }

  const gguf_value* find(std::string_view key) const {
    const auto found = values_.find(key);
    return found == values_.end() ? nullptr : &found->second;
  }
  const std::string& file() const { return file_; }
  /// Visits (name, value) of each key, in the order of the names.
  template <class Visit>
  void for_each(Visit&& visit) const {
    for (const auto& [name, value] : values_) visit(name, value);
  }

  /// @name Read a value
  /// An absent key changes nothing.
  /// @{

  /// An array counts as its first element if all elements are equal.
  result<void> read(std::string_view key, int& to) const {
    const gguf_value* v = find(key);
    if (!v) return {};
    for (std::size_t i = 0; i < v->size() || i == 0; ++i) {
      const auto whole = v->size() > 0 ? v->integer(i) : std::nullopt;
      if (!whole || *whole < INT32_MIN || *whole > INT32_MAX) return wrong(key, "a 32-bit integer");
      if (i > 0 && *whole != to) return unsupported(key, "different in each layer", "the same in each layer");
      to = static_cast<int>(*whole);
    }
    return {};
  }
  result<void> read(std::string_view key, float& to) const {
    const gguf_value* v = find(key);
    if (!v) return {};
    const auto number = v->is_array() ? std::nullopt : v->number();
    if (!number || !(*number >= -3e38 && *number <= 3e38)) return wrong(key, "a finite number");
    to = static_cast<float>(*number);
    return {};
  }
  result<void> read(std::string_view key, bool& to) const {
    const gguf_value* v = find(key);
    if (!v) return {};
    if (!v->boolean()) return wrong(key, "true or false");
    to = *v->boolean();
    return {};
  }
  result<void> read(std::string_view key, std::string& to) const {
    const gguf_value* v = find(key);
    if (!v) return {};
    if (!v->text()) return wrong(key, "a text");
    to = *v->text();
    return {};
  }
  /// @}

  /// The same, and an error when the key is absent.
  template <class T>
  result<void> require(std::string_view key, T& to) const {
    if (!find(key)) return missing(key);
    return read(key, to);
  }

  error missing(std::string_view key) const {
    return fail(errc::invalid_format, text_of("llava: ", file_, " has no key \"", key, "\""));
  }
  error wrong(std::string_view key, std::string_view expected) const {
    return fail(errc::invalid_format, text_of("llava: ", file_, ": \"", key, "\" must be ", expected));
  }
  error unsupported(std::string_view key, std::string_view found, std::string_view expected) const {
    return fail(errc::unsupported,
                text_of("llava: ", file_, ": \"", key, "\" is ", detail::shown(found), ", expected ", expected));
  }

 private:
  std::string file_;
  std::map<std::string_view, gguf_value> values_;  // the names are in the mapped file
};

LLAVA_END
