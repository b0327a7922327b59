// SPDX-License-Identifier: Apache-2.0
/// json_value: a parsed JSON value, as json.hpp builds it.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

/// A parsed JSON value.
class json_value {
 public:
  using member = std::pair<std::string, json_value>;
  using array = std::vector<json_value>;
  using object = std::vector<member>;

  json_value() = default;
  /// Copies the alternative by itself first: libstdc++ 12's copy of a variant destroys an alternative that it has not
  /// made when an allocation fails.
  json_value(const json_value& other) {
    std::visit(
        [this](const auto& v) {
          auto copy = v;
          value_ = std::move(copy);
        },
        other.value_);
  }
  json_value(json_value&&) noexcept = default;
  json_value& operator=(json_value other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }
  template <class T>
  explicit json_value(T v) : value_(std::move(v)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  bool is_array() const { return std::holds_alternative<array>(value_); }
  bool is_object() const { return std::holds_alternative<object>(value_); }

  /// @name The value, or null when it has another type
  /// @{
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  /// @}
  /// The integer; empty for any other value, 2.0 included.
  std::optional<std::int64_t> integer() const {
    const auto* i = std::get_if<std::int64_t>(&value_);
    return i ? std::optional(*i) : std::nullopt;
  }
  std::optional<double> number() const {
    if (const auto* i = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*i);
    const auto* d = std::get_if<double>(&value_);
    return d ? std::optional(*d) : std::nullopt;
  }
  /// The elements of an array; empty for any other type.
  const array& items() const {
    static const array none;
    const auto* a = std::get_if<array>(&value_);
    return a ? *a : none;
  }
  /// The members of an object, in the file's order; empty for any other type.
  const object& members() const {
    static const object none;
    const auto* o = std::get_if<object>(&value_);
    return o ? *o : none;
  }
  const json_value* find(std::string_view key) const {
    for (const member& m : members())
      if (m.first == key) return &m.second;
    return nullptr;
  }

 private:
  friend class json_builder;
  std::variant<std::monostate, bool, std::int64_t, double, std::string, array, object> value_;
};

LLAVA_END
