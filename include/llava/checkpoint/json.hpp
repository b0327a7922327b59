// SPDX-License-Identifier: Apache-2.0
/// JSON of a checkpoint's small files, through RapidJSON's iterative parser: no recursion on input, at most 64 levels (R9).
/// A getter that finds something else says file, key, what was expected and what is there.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <rapidjson/document.h>

#include <llava/base/error.hpp>
#include <llava/tensor/mapped_file.hpp>

LLAVA_BEGIN

using json_value = rapidjson::Value;

/// A parsed file. The values point into it.
class json_document {
 public:
  json_document(std::string file, std::unique_ptr<rapidjson::Document> d) : file_(std::move(file)), document_(std::move(d)) {}
  const json_value& root() const { return *document_; }
  const std::string& file() const { return file_; }

 private:
  std::string file_;
  std::unique_ptr<rapidjson::Document> document_;
};

namespace detail {
/// Depth of the deepest bracket outside strings.
inline std::size_t json_depth(std::string_view text) {
  std::size_t depth = 0, deepest = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') ++i;
      else if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '[' || c == '{') {
      deepest = std::max(deepest, ++depth);
    } else if ((c == ']' || c == '}') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}
}  // namespace detail

inline result<json_document> try_parse_json(std::string_view file, std::string_view text) {
  if (detail::json_depth(text) > 64) return fail(errc::invalid_format, text_of("llava: ", file, ": nested deeper than 64 levels"));
  auto d = std::make_unique<rapidjson::Document>();
  d->Parse<rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseFullPrecisionFlag>(text.data(), text.size());
  if (d->HasParseError()) return fail(errc::invalid_format, text_of("llava: ", file, ": not JSON, at byte ", d->GetErrorOffset()));
  return json_document(std::string(file), std::move(d));
}

/// The whole of a text file of at most `limit` bytes.
inline result<std::string> try_read_text_file(const std::string& file, std::size_t limit = std::size_t{64} << 20) {
  LLAVA_TRY(mapped, mapped_file::try_open(file));
  if (mapped.bytes().size() > limit)
    return fail(errc::unsupported, text_of("llava: ", file, " has ", mapped.bytes().size(), " bytes; at most ", limit, " are read"));
  return std::string(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
}

inline result<json_document> try_read_json(const std::string& file) {
  LLAVA_TRY(text, try_read_text_file(file));
  return try_parse_json(file, text);
}

/// One object of a file, with its place in it for errors.
class json_object {
 public:
  json_object(std::string_view file, std::string path, const json_value* v) : file_(file), path_(std::move(path)), value_(v) {}
  static result<json_object> try_root(const json_document& d) {
    if (!d.root().IsObject()) return fail(errc::invalid_format, text_of("llava: ", d.file(), ": expected an object"));
    return json_object(d.file(), {}, &d.root());
  }

  /// The member, or null when it is absent or null.
  const json_value* find(const char* key) const {
    const auto found = value_->FindMember(key);
    return found == value_->MemberEnd() || found->value.IsNull() ? nullptr : &found->value;
  }
  bool has(const char* key) const { return find(key) != nullptr; }
  /// Whether the key stands there at all, be it null.
  bool states(const char* key) const { return value_->HasMember(key); }

  /// The inner object, empty when absent.
  result<json_object> object(const char* key) const {
    static const json_value empty(rapidjson::kObjectType);
    const json_value* v = find(key);
    if (v && !v->IsObject()) return wrong(key, "an object");
    return json_object(file_, path_ + key + ".", v ? v : &empty);
  }

  /// @name Values
  /// Leave `to` as it is when the key is absent.
  /// @{
  result<void> read(const char* key, int& to) const {
    const json_value* v = find(key);
    if (v && !v->IsInt()) return wrong(key, "a whole number of 32 bits");
    if (v) to = v->GetInt();
    return {};
  }
  result<void> read(const char* key, float& to) const {
    const json_value* v = find(key);
    if (v && !(v->IsNumber() && v->GetDouble() >= -3e38 && v->GetDouble() <= 3e38)) return wrong(key, "a number");
    if (v) to = static_cast<float>(v->GetDouble());
    return {};
  }
  result<void> read(const char* key, double& to) const {
    const json_value* v = find(key);
    if (v && !v->IsNumber()) return wrong(key, "a number");
    if (v) to = v->GetDouble();
    return {};
  }
  result<void> read(const char* key, bool& to) const {
    const json_value* v = find(key);
    if (v && !v->IsBool()) return wrong(key, "true or false");
    if (v) to = v->GetBool();
    return {};
  }
  result<void> read(const char* key, std::string& to) const {
    const json_value* v = find(key);
    if (v && !v->IsString()) return wrong(key, "a text");
    if (v) to.assign(v->GetString(), v->GetStringLength());
    return {};
  }
  /// @}

  error wrong(const char* key, std::string_view expected) const {
    return fail(errc::invalid_format, text_of("llava: ", file_, ": \"", path_, key, "\" must be ", expected));
  }
  error unsupported(const char* key, std::string_view found, std::string_view known) const {
    return fail(errc::unsupported, text_of("llava: ", file_, ": \"", path_, key, "\" is ", found, "; known: ", known));
  }
  std::string_view file() const { return file_; }

 private:
  std::string_view file_;
  std::string path_;
  const json_value* value_;
};

LLAVA_END
