// SPDX-License-Identifier: Apache-2.0
/// described: a struct that names its fields. Its JSON Schema constrains an answer, and the answer is read back into
/// the struct (described_value.hpp).
///
///   enum class size { small, large };
///   template <>
///   inline constexpr auto llava::enum_names<size> = std::array{llava::enum_name{"small", size::small},
///                                                              llava::enum_name{"large", size::large}};
///   struct animal {
///     std::string name;
///     std::optional<int> legs;
///     size how_large;
///     static constexpr auto fields = std::tuple{llava::field{"name", &animal::name},
///                                               llava::field{"legs", &animal::legs, "number of legs"},
///                                               llava::field{"size", &animal::how_large}};
///   };
///
/// Types of fields: bool, integers, float and double, std::string, enums with enum_names, described structs, and
/// std::optional and std::vector of them. A struct may hold a std::vector of itself. An optional field may be absent or
/// null.
#pragma once
#include <array>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/grammar/json_schema.hpp>

LLAVA_BEGIN

/// A field of T: its name in JSON, and what the model is told of it. The texts are UTF-8 and must outlive all use, as
/// literals do.
template <class T, class Member>
struct field {
  constexpr field(std::string_view name_in_json, Member T::*pointer, std::string_view text = {})
      : name(name_in_json), member(pointer), description(text) {}
  std::string_view name;
  Member T::*member;
  std::string_view description;
};

/// The name of an enum's value in JSON.
template <class E>
struct enum_name {
  constexpr enum_name(std::string_view text, E e) : name(text), value(e) {}
  std::string_view name;
  E value;
};
/// To be specialised for an enum: a std::array of enum_name.
template <class E>
inline constexpr auto enum_names = nullptr;

/// A struct with `fields`.
template <class T>
concept described = std::is_default_constructible_v<T> && requires {
  std::tuple_size<std::remove_cvref_t<decltype(T::fields)>>::value;
};

namespace detail {

template <class T>
struct optional_of : std::false_type {};
template <class T>
struct optional_of<std::optional<T>> : std::true_type {};
template <class T>
struct vector_of : std::false_type {};
template <class T>
struct vector_of<std::vector<T>> : std::true_type {};
template <class T>
concept named_enum = std::is_enum_v<T> && !std::is_same_v<decltype(enum_names<T>), const std::nullptr_t>;
template <class T>
concept json_integer = std::integral<T> && !std::same_as<T, bool> && sizeof(T) <= 8;

/// Writes the schema of a type. Each struct becomes a definition, so that a struct may contain itself.
class schema_writer {
 public:
  template <described T>
  std::string schema() {
    const std::string root = of<T>();
    std::string out = "{" + root.substr(1, root.size() - 2) + ",\"$defs\":{";
    for (std::size_t i = 0; i < definitions_.size(); ++i)
      out += (i > 0 ? ",\"" : "\"") + name_of(i) + "\":" + definitions_[i];
    return out + "}}";
  }

 private:
  template <class T>
  std::string of() {
    if constexpr (std::same_as<T, bool>) {
      return R"({"type":"boolean"})";
    } else if constexpr (json_integer<T>) {
      std::string out = R"({"type":"integer")";
      if (sizeof(T) < 8 || std::is_unsigned_v<T>) out += ",\"minimum\":" + text_of((std::numeric_limits<T>::min)());
      if (sizeof(T) < 8) out += ",\"maximum\":" + text_of((std::numeric_limits<T>::max)());
      return out + '}';
    } else if constexpr (std::floating_point<T>) {
      return R"({"type":"number"})";
    } else if constexpr (std::same_as<T, std::string>) {
      return R"({"type":"string"})";
    } else if constexpr (named_enum<T>) {
      std::string out = "{\"enum\":";
      char before = '[';
      for (const enum_name<T>& n : enum_names<T>) (out += std::exchange(before, ',')) += json_string(n.name);
      return out + "]}";
    } else if constexpr (optional_of<T>::value) {
      return R"({"anyOf":[)" + of<typename T::value_type>() + R"(,{"type":"null"}]})";
    } else if constexpr (vector_of<T>::value) {
      return R"({"type":"array","items":)" + of<typename T::value_type>() + '}';
    } else {
      static_assert(described<T>,
                    "llava: a field is a bool, an integer, a float, a std::string, an enum with enum_names, a struct "
                    "with fields, or a std::optional or std::vector of one");
      return "{\"$ref\":\"#/$defs/" + name_of(definition_of<T>()) + "\"}";
    }
  }
  template <class T>
  std::size_t definition_of() {
    static constexpr char tag = 0;  // its address is the type's
    for (std::size_t i = 0; i < types_.size(); ++i)
      if (types_[i] == &tag) return i;
    const std::size_t number = types_.size();
    types_.push_back(&tag);
    definitions_.emplace_back();
    std::string properties, required;
    const auto add = [&](const auto& f) {
      using member = std::remove_cvref_t<decltype(std::declval<T&>().*f.member)>;
      std::string one = of<member>();
      if (!f.description.empty()) one.insert(one.size() - 1, ",\"description\":" + json_string(f.description));
      (properties += properties.empty() ? "" : ",") += json_string(f.name) + ':' + one;
      if (!optional_of<member>::value) (required += required.empty() ? "" : ",") += json_string(f.name);
    };
    std::apply([&](const auto&... f) { (add(f), ...); }, T::fields);
    definitions_[number] = R"({"type":"object","properties":{)" + properties + R"(},"required":[)" + required +
                           R"(],"additionalProperties":false})";
    return number;
  }
  static std::string name_of(std::size_t number) { return text_of("type", number); }

  std::vector<const void*> types_;
  std::vector<std::string> definitions_;
};

}  // namespace detail

/// The JSON Schema of T.
template <described T>
std::string described_schema() {
  return detail::schema_writer().schema<T>();
}

/// The grammar of the answers that are a T. Errors: two fields with one name, or a name that is not UTF-8.
template <described T>
result<grammar> try_described_grammar(const grammar_options& o = {}) {
  return grammar::try_json_schema(described_schema<T>(), o);
}
#if LLAVA_EXCEPTIONS
template <described T>
grammar described_grammar(const grammar_options& o = {}) {
  return value_or_throw(try_described_grammar<T>(o));
}
#endif

LLAVA_END
