// SPDX-License-Identifier: Apache-2.0
/// Errors that a caller or a file can cause. A function that can fail is `try_x() -> result<T>`; its counterpart `x()`
/// throws `llava::error` and exists only if exceptions are enabled. The sentence of an error names the file or operand,
/// what was found, what was expected and what to do. It never contains a pointer or the text of another library's
/// exception.
#pragma once
#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#if __has_include(<exception>)
#include <exception>
#endif

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// The kind of an error. The sentence has the details.
enum class errc {
  not_found,         ///< no such file, folder, tensor or name
  invalid_format,    ///< bytes that violate their format
  unsupported,       ///< a valid input that this build or version does not handle
  mismatch,          ///< two things that must agree differ: a shape, a count, a model and its files
  invalid_argument,  ///< the caller passed a value that has no meaning
  out_of_memory,     ///< beyond the memory budget, or refused by the system
  context_full,      ///< more tokens than the model or its cache can hold
  cancelled,         ///< stopped on request
  io,                ///< the system refused to read or write
  busy,              ///< called by a callback of a call that is still running
  not_finite,        ///< the model computed NaN or infinity
  device_failed,     ///< a GPU or its driver reported an error
};

/// The error that `try_x()` returns and `x()` throws.
class error : public std::exception {
 public:
  error(errc code, std::string sentence) : code_(code), sentence_(std::move(sentence)) {
    // Control characters of a file's name or text would end what(), or steer a terminal.
    for (char& c : sentence_)
      if ((static_cast<unsigned char>(c) < 0x20 && c != '\n') || c == 0x7f) c = '?';
  }
  /// The error of a refused allocation whose purpose is unknown. It allocates nothing.
  static error out_of_memory() noexcept { return error(); }

  errc code() const noexcept { return code_; }
  std::string sentence() const { return what(); }
  const char* what() const noexcept override { return sentence_.empty() ? no_memory : sentence_.c_str(); }

 private:
  static constexpr const char* no_memory =
      "llava: the system refused to allocate memory; close other programs, or set smaller limits";
  error() noexcept : code_(errc::out_of_memory) {}

  errc code_;
  std::string sentence_;  // empty: what() is no_memory
};

/// A value or an error. It is a hand-written union, because std::variant costs compile time for each of dozens of T.
template <class T>
class [[nodiscard]] result {
 public:
  using value_type = T;
  result(T value) : has_value_(true) { std::construct_at(&value_, std::move(value)); }
  result(llava::error e) : has_value_(false) { std::construct_at(&error_, std::move(e)); }
  result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) : has_value_(other.has_value_) {
    if (has_value_)
      std::construct_at(&value_, std::move(other.value_));
    else
      std::construct_at(&error_, std::move(other.error_));
  }
  result(const result& other) requires std::copy_constructible<T> : has_value_(other.has_value_) {
    if (has_value_)
      std::construct_at(&value_, other.value_);
    else
      std::construct_at(&error_, other.error_);
  }
  result& operator=(result&& other) noexcept {
    static_assert(std::is_nothrow_move_constructible_v<T>,
                  "llava: only a result of a type whose move constructor is noexcept can be assigned");
    if (this == &other) return *this;
    std::destroy_at(this);
    return *std::construct_at(this, std::move(other));
  }
  result& operator=(const result& other) requires std::copy_constructible<T> { return *this = result(other); }
  ~result() {
    if (has_value_)
      std::destroy_at(&value_);
    else
      std::destroy_at(&error_);
  }

  explicit operator bool() const noexcept { return has_value_; }
  T& operator*() & noexcept { return value_; }
  const T& operator*() const& noexcept { return value_; }
  T&& operator*() && noexcept { return std::move(value_); }
  T* operator->() noexcept { return std::addressof(value_); }
  const T* operator->() const noexcept { return std::addressof(value_); }
  bool has_value() const noexcept { return has_value_; }
#if LLAVA_EXCEPTIONS
  /// Returns the value, or throws the error.
  T& value() & { return has_value() ? **this : throw error(); }
  const T& value() const& { return has_value() ? **this : throw error(); }
  T&& value() && { return has_value() ? *std::move(*this) : throw std::move(*this).error(); }
#endif
  const llava::error& error() const& noexcept { return error_; }
  llava::error&& error() && noexcept { return std::move(error_); }

 private:
  union {
    T value_;
    llava::error error_;
  };
  bool has_value_;
};

/// Success or an error.
template <>
class [[nodiscard]] result<void> {
 public:
  using value_type = void;
  result() = default;
  result(llava::error e) : error_(std::move(e)) {}

  explicit operator bool() const noexcept { return has_value(); }
  bool has_value() const noexcept { return !error_; }
#if LLAVA_EXCEPTIONS
  /// Throws the error, if there is one.
  void value() const {
    if (error_) throw *error_;
  }
#endif
  const llava::error& error() const& noexcept { return *error_; }
  llava::error&& error() && noexcept { return std::move(*error_); }

 private:
  std::optional<llava::error> error_;
};

/// Makes an error: `return fail(errc::mismatch, "...")` in a function that returns a result.
[[gnu::cold]] inline error fail(errc code, std::string sentence) { return error(code, std::move(sentence)); }

/// Returns the value or throws the error, to make `x()` from `try_x()`. It exists only if exceptions are enabled.
#if LLAVA_EXCEPTIONS
template <class T>
T value_or_throw(result<T>&& r) {
  return static_cast<T>(std::move(r).value());
}
#endif

namespace detail {
/// A text, a character or an integer as a part of a sentence.
class text_part {
 public:
  text_part(std::string_view text) : text_(text) {}
  text_part(const std::string& text) : text_(text) {}
  text_part(const char* text) : text_(text) {}
  text_part(char c) : text_(digits_, 1) { digits_[0] = c; }
  template <std::signed_integral N>
  text_part(N n) : text_part(n < 0, n < 0 ? 0 - static_cast<std::uint64_t>(n) : static_cast<std::uint64_t>(n)) {}
  template <std::unsigned_integral N>
  text_part(N n) : text_part(false, n) {}
  text_part(const text_part&) = delete;
  std::string_view text() const { return text_; }

 private:
  text_part(bool negative, std::uint64_t magnitude) {
    char* first = digits_ + sizeof digits_;
    do *--first = static_cast<char>('0' + magnitude % 10);
    while (magnitude /= 10);
    if (negative) *--first = '-';
    text_ = {first, static_cast<std::size_t>(digits_ + sizeof digits_ - first)};
  }

  char digits_[24];
  std::string_view text_;
};
/// Joins the parts out of line, to keep the code at each call small.
[[gnu::cold]] inline std::string joined(const text_part* parts, std::size_t count) {
  std::string out;
  for (std::size_t i = 0; i < count; ++i) out += parts[i].text();
  return out;
}
}  // namespace detail

/// Joins texts, characters and integers into a sentence.
template <class... Parts>
std::string text_of(const Parts&... parts) {
  const detail::text_part list[] = {parts...};
  return detail::joined(list, sizeof...(parts));
}

namespace detail {
/// The text of strerror_r. GNU's version returns it; the POSIX version returns an int and writes it to `buffer`.
inline const char* reason_in(const char* text, const char*) { return text; }
inline const char* reason_in(int, const char* buffer) { return buffer; }

[[gnu::cold]] inline error failed_of_system(int number, std::string sentence) {
  char buffer[256] = "";
  sentence += ": ";
  sentence += reason_in(::strerror_r(number, buffer, sizeof buffer), buffer);
  const bool absent = number == ENOENT || number == ENOTDIR;
  return fail(absent ? errc::not_found : number == ENOMEM ? errc::out_of_memory : errc::io, std::move(sentence));
}
}  // namespace detail

/// The error of a failed system call: `return fail_of_system(errno, "llava: cannot open ", file)`. It ends with the
/// reason: "llava: cannot open x: No such file or directory".
template <class... Parts>
error fail_of_system(int number, const Parts&... parts) {
  return detail::failed_of_system(number, text_of(parts...));
}

/// Returns a · b, or nullopt on overflow. For sizes that a file states (R2).
constexpr std::optional<std::size_t> checked_mul(std::size_t a, std::size_t b) {
  if (b != 0 && a > (std::numeric_limits<std::size_t>::max)() / b) return std::nullopt;
  return a * b;
}
/// Returns a + b, or nullopt on overflow.
constexpr std::optional<std::size_t> checked_add(std::size_t a, std::size_t b) {
  if (a > (std::numeric_limits<std::size_t>::max)() - b) return std::nullopt;
  return a + b;
}

LLAVA_END
