// SPDX-License-Identifier: Apache-2.0
/// request_fields: reads the members of a JSON object of a request. It knows which names have been read, so that the
/// rest can be refused: a field that a client sends and that nobody looks at could change the answer. Null counts as
/// absent. Errors say what the field must be; `param` receives the field's name, for the error reply.
#pragma once
#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/json_value.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN
namespace serve {

/// One object of a request. The object and `param` must outlive it.
class request_fields {
 public:
  /// `path` is empty, or what precedes the names in errors: "messages[0]."
  request_fields(const json_value& object, std::string path, std::string& param)
      : object_(object), path_(std::move(path)), param_(param) {}

  std::string path_of(std::string_view name) const { return path_ + std::string(name); }
  std::string& param() const { return param_; }

  /// Returns the field, or null if it is absent or null.
  const json_value* take(std::string_view name) {
    known_.push_back(name);
    const json_value* v = object_.find(name);
    return v && !v->is_null() ? v : nullptr;
  }

  /// Makes an error about a field.
  error refuse(std::string_view name, std::string_view sentence) const {
    param_ = path_of(name);
    return fail(errc::invalid_argument, text_of(param_, " ", sentence));
  }
  error must_be(std::string_view name, std::string_view expected) const {
    return refuse(name, text_of("must be ", expected));
  }

  result<std::optional<std::int64_t>> integer(std::string_view name, std::int64_t low, std::int64_t high) {
    const json_value* v = take(name);
    if (!v) return std::optional<std::int64_t>();
    const auto n = v->integer();
    if (!n || *n < low || *n > high) return must_be(name, text_of("a whole number from ", low, " to ", high));
    return n;
  }
  /// `range` describes low to high.
  result<std::optional<float>> number(std::string_view name, double low, double high, std::string_view range) {
    const json_value* v = take(name);
    if (!v) return std::optional<float>();
    const auto n = v->number();
    if (!n || !(*n >= low && *n <= high)) return must_be(name, text_of("a number from ", range));
    return std::optional<float>(static_cast<float>(*n));
  }
  result<bool> flag(std::string_view name, bool otherwise = false) {
    const json_value* v = take(name);
    if (!v) return otherwise;
    if (!v->boolean()) return must_be(name, "true or false");
    return *v->boolean();
  }
  result<std::optional<std::string>> text(std::string_view name) {
    const json_value* v = take(name);
    if (!v) return std::optional<std::string>();
    if (!v->text()) return must_be(name, "a string");
    return std::optional<std::string>(*v->text());
  }

  /// Accepts a field only with a value that does not change the answer.
  template <class F>
  result<void> neutral(std::string_view name, std::string_view expected, F&& is_neutral) {
    const json_value* v = take(name);
    if (v && !is_neutral(*v)) return refuse(name, text_of("is not supported here; it may only be ", expected));
    return {};
  }
  /// Accepts fields that never change an answer.
  void ignore(std::initializer_list<std::string_view> names) {
    known_.insert(known_.end(), names.begin(), names.end());
  }

  /// Errors: a name that has not been read.
  result<void> try_finish() const {
    for (const auto& [name, value] : object_.members())
      if (std::find(known_.begin(), known_.end(), name) == known_.end())
        return refuse(detail_shown(name), "is not a field that this server knows");
    return {};
  }

 private:
  static std::string detail_shown(const std::string& name) {
    return name.empty() ? std::string("\"\"") : llava::detail::shown(name);
  }

  const json_value& object_;
  std::string path_;
  std::string& param_;
  std::vector<std::string_view> known_;
};

/// @name Values for neutral()
/// @{
inline bool is_empty_list(const json_value& v) { return v.is_array() && v.items().empty(); }
inline auto is_text(std::string_view text) {
  return [text](const json_value& v) { return v.text() && *v.text() == text; };
}
inline auto is_flag(bool flag) {
  return [flag](const json_value& v) { return v.boolean() && *v.boolean() == flag; };
}
inline auto is_number(double number) {
  return [number](const json_value& v) { return v.number() == number; };
}
/// @}

}  // namespace serve
LLAVA_END
