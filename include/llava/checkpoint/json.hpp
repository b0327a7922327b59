// SPDX-License-Identifier: Apache-2.0
/// JSON of a checkpoint's small files, parsed by RapidJSON's iterative parser: no recursion on input, at most 64
/// levels, at most 4096 characters in a number, valid UTF-8 (R9), and at most 64 MiB of memory plus four times the size
/// of the text (R1). When a key is repeated in an object the last value counts, as in Python; safetensors forbids
/// repeated keys (R2). json_object reads the members of one object; its errors name the file and the key.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <locale>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/guard.hpp>
#include <llava/base/stand_in.hpp>
#include <llava/checkpoint/json_value.hpp>
#include <llava/checkpoint/rapidjson.hpp>
#include <llava/tensor/mapped_file.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

/// How a repeated key in an object is handled.
enum class repeated_keys : bool { last_counts, refused };

/// Builds a json_value from the parser's events.
class json_builder : public json_events<json_builder> {
 public:
  static constexpr std::size_t deepest = 64, longest_number = 4096;

  /// `text_bytes`: the size of the text, for the memory limit.
  json_builder(std::size_t text_bytes, repeated_keys repeated)
      : left_((std::size_t{64} << 20) + 4 * text_bytes), repeated_(repeated) {
    real_.imbue(std::locale::classic());
    real_.exceptions(std::ios::badbit);  // a failed allocation throws and is not an error of the number
  }

  json_value root;
  std::string problem;       ///< why an event was refused
  std::string repeated_key;  ///< the path of a key that was refused: messages[0].role

  bool Null() { return add(json_value()); }
  bool boolean(bool b) { return add(json_value(b)); }
  /// Numbers are converted here, because RapidJSON 1.1 reads 0e51 as -2e-265 and 1.8e308 as NaN.
  bool RawNumber(const char* s, rapidjson::SizeType n, bool) {
    std::int64_t whole = 0;
    if (n > longest_number) return refuse(text_of("a number has more than ", longest_number, " characters"));
    const auto [end, failure] = std::from_chars(s, s + n, whole);
    if (failure == std::errc() && end == s + n) return add(json_value(whole));
    double real = 0;
    real_.clear();
    real_.str(std::string(s, n));
    return real_ >> real ? add(json_value(real)) : refuse("a number is too large for a 64-bit float");
  }
  bool String(const char* s, rapidjson::SizeType n, bool) { return take_text(n) && add(json_value(std::string(s, n))); }
  bool Key(const char* s, rapidjson::SizeType n, bool) {
    if (!take_text(n)) return false;
    keys_.emplace_back(s, n);
    return true;
  }
  bool StartObject() { return open(json_value(json_value::object{})); }
  bool StartArray() { return open(json_value(json_value::array{})); }
  bool EndArray(rapidjson::SizeType) { return close(); }
  bool EndObject(rapidjson::SizeType) {
    auto& members = *std::get_if<json_value::object>(&open_.back().value_);
    const std::size_t for_order = members.size() * sizeof(std::uint32_t);
    if (!take(for_order)) return false;
    left_ += for_order;
    std::vector<std::uint32_t> order(members.size());  // by key; equal keys in the order of the text
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::uint32_t>(i);
    std::sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      const int sign = members[a].first.compare(members[b].first);
      return sign < 0 || (sign == 0 && a < b);
    });
    bool is_repeated = false;
    for (std::size_t i = 1, first = 0; i < order.size(); ++i) {
      if (members[order[i]].first != members[order[first]].first) {
        first = i;
        continue;
      }
      is_repeated = true;
      if (repeated_ == repeated_keys::refused) {
        repeated_key = path_of_members() + detail::shown(members[order[i]].first);
        return refuse(text_of("the key \"", detail::shown(members[order[i]].first), "\" is repeated in an object"));
      }
      members[order[first]].second = std::move(members[order[i]].second);
    }
    if (is_repeated) keep_firsts(members, std::move(order));
    return close();
  }

 private:
  /// Of members with equal keys, keeps only the first, which has the last value. `order` is sorted by key.
  static void keep_firsts(json_value::object& members, std::vector<std::uint32_t> order) {
    const auto end = std::unique(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) {
      return members[a].first == members[b].first;
    });
    std::sort(order.begin(), end);
    std::size_t kept = 0;
    for (auto at = order.begin(); at != end; ++at, ++kept)
      if (*at != kept) members[kept] = std::move(members[*at]);
    members.resize(kept);
  }

  /// What precedes the names of the innermost open object in a path.
  std::string path_of_members() const {
    std::string out;
    auto key = keys_.begin();
    for (std::size_t i = 0; i + 1 < open_.size(); ++i)
      if (open_[i].is_array())
        out += text_of('[', open_[i].items().size(), ']');
      else
        out.append(out.empty() ? "" : ".").append(detail::shown(*key++));
    return out.empty() ? out : out + ".";
  }
  bool refuse(std::string why) {
    problem = std::move(why);
    return false;
  }
  bool open(json_value v) {
    if (open_.size() == deepest) return refuse(text_of("nested deeper than ", deepest, " levels"));
    open_.push_back(std::move(v));
    return true;
  }
  bool close() {
    json_value v = std::move(open_.back());
    open_.pop_back();
    return add(std::move(v));
  }
  bool add(json_value v) {
    if (open_.empty()) {
      root = std::move(v);
    } else if (auto* a = std::get_if<json_value::array>(&open_.back().value_)) {
      if (!make_room(*a)) return false;
      a->push_back(std::move(v));
    } else {
      auto& members = *std::get_if<json_value::object>(&open_.back().value_);
      if (!make_room(members)) return false;
      members.emplace_back(std::move(keys_.back()), std::move(v));
      keys_.pop_back();
    }
    return true;
  }

  /// Makes room for one more element. A vector that grows needs its old and its new memory at once.
  template <class T>
  bool make_room(std::vector<T>& v) {
    const std::size_t now = v.capacity(), next = std::max<std::size_t>(1, 2 * now);
    if (v.size() < now) return true;
    if (!take(next * sizeof(T))) return false;
    v.reserve(next);
    left_ += now * sizeof(T);
    return true;
  }
  bool take_text(std::size_t bytes) { return bytes < 16 || take(bytes); }  // short strings do not allocate
  bool take(std::size_t bytes) {
    if (bytes > left_) return refuse("parsing needs more memory than 64 MiB plus four times the size of the text");
    left_ -= bytes;
    return true;
  }

  std::vector<json_value> open_;
  std::vector<std::string> keys_;
  std::istringstream real_;  // parses numbers that are not 64-bit integers; classic locale
  std::size_t left_;         // bytes that may still be allocated
  repeated_keys repeated_;
};

/// Parses `text`; `file` is its name in errors. `where` receives the path of a repeated key, if that is the error.
inline result<json_value> try_parse_json(std::string_view file, std::string_view text,
                                         repeated_keys repeated = repeated_keys::last_counts,
                                         std::string* where = nullptr) {
  return guarded([&]() -> result<json_value> {
    rapidjson::Reader reader;
    rapidjson::MemoryStream bytes(text.data(), text.size());
    rapidjson::EncodedInputStream<rapidjson::UTF8<>, rapidjson::MemoryStream> stream(bytes);
    json_builder builder(text.size(), repeated);
    constexpr unsigned flags =
        rapidjson::kParseIterativeFlag | rapidjson::kParseValidateEncodingFlag | rapidjson::kParseNumbersAsStringsFlag;
    if (reader.Parse<flags>(stream, builder)) return result<json_value>(std::move(builder.root));
    if (where) *where = std::move(builder.repeated_key);
    if (!builder.problem.empty()) return fail(errc::invalid_format, text_of("llava: ", file, ": ", builder.problem));
    if (const std::string_view instead = stand_in(text); !instead.empty())
      return fail(errc::invalid_format, text_of("llava: ", file, " is ", instead));
    return fail(errc::invalid_format, text_of("llava: ", file, ": not JSON, at byte ", reader.GetErrorOffset()));
  });
}

/// Reads a text file of at most `limit` bytes.
inline result<std::string> try_read_text_file(const std::string& file, std::size_t limit = std::size_t{64} << 20) {
  return guarded([&]() -> result<std::string> {
    LLAVA_TRY(mapped, mapped_file::try_open(file));
    if (mapped.bytes().size() > limit)
      return fail(errc::unsupported, text_of("llava: ", file, " has ", mapped.bytes().size(),
                                             " bytes, expected at most ", limit, " bytes"));
    return std::string(reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size());
  });
}

/// An object in a file, with its path in the file for errors. The file's name and the value must outlive it.
class json_object {
 public:
  json_object(std::string_view file, std::string path, const json_value* v)
      : file_(file), path_(std::move(path)), value_(v) {}

  /// The member, or null when it is absent or null.
  const json_value* find(const char* key) const {
    const json_value* v = value_->find(key);
    return v && !v->is_null() ? v : nullptr;
  }
  bool has(const char* key) const { return find(key) != nullptr; }
  /// Whether the key is present, even if its value is null.
  bool contains(const char* key) const { return value_->find(key) != nullptr; }

  /// The object under the key; empty when absent.
  result<json_object> object(const char* key) const {
    static const json_value empty{json_value::object{}};
    const json_value* v = find(key);
    if (v && !v->is_object()) return wrong(key, "an object");
    return json_object(file_, path_ + key + ".", v ? v : &empty);
  }

  /// @name Values
  /// `to` is unchanged when the key is absent.
  /// @{
  result<void> read(const char* key, int& to) const {
    const json_value* v = find(key);
    if (!v) return {};
    const auto i = v->integer();
    if (!i || *i < INT32_MIN || *i > INT32_MAX) return wrong(key, "a 32-bit integer");
    to = static_cast<int>(*i);
    return {};
  }
  result<void> read(const char* key, double& to) const {
    const json_value* v = find(key);
    if (!v) return {};
    if (!v->number()) return wrong(key, "a number");
    to = *v->number();
    return {};
  }
  result<void> read(const char* key, float& to) const {
    double exact = static_cast<double>(to);
    LLAVA_CHECK(read(key, exact));
    if (!(exact >= -3e38 && exact <= 3e38)) return wrong(key, "a number in the range of a 32-bit float");
    to = static_cast<float>(exact);
    return {};
  }
  result<void> read(const char* key, bool& to) const {
    const json_value* v = find(key);
    if (!v) return {};
    if (!v->boolean()) return wrong(key, "true or false");
    to = *v->boolean();
    return {};
  }
  result<void> read(const char* key, std::string& to) const {
    const json_value* v = find(key);
    if (!v) return {};
    if (!v->text()) return wrong(key, "a string");
    to = *v->text();
    return {};
  }
  /// @}

  error wrong(const char* key, std::string_view expected) const {
    return fail(errc::invalid_format, text_of("llava: ", file_, ": \"", path_, key, "\" must be ", expected));
  }
  error unsupported(const char* key, std::string_view found, std::string_view expected) const {
    return fail(errc::unsupported,
                text_of("llava: ", file_, ": \"", path_, key, "\" is ", detail::shown(found), ", expected ", expected));
  }

 private:
  std::string_view file_;
  std::string path_;
  const json_value* value_;
};

/// A parsed file whose root is an object.
class json_document {
 public:
  static result<json_document> try_read(const std::string& file, repeated_keys repeated = repeated_keys::last_counts) {
    return guarded([&]() -> result<json_document> {
      LLAVA_TRY(text, try_read_text_file(file));
      LLAVA_TRY(root, try_parse_json(file, text, repeated));
      if (!root.is_object()) return fail(errc::invalid_format, text_of("llava: ", file, ": expected an object"));
      return result<json_document>(json_document(file, std::move(root)));
    });
  }
  const json_value& value() const { return root_; }
  json_object root() const { return json_object(file_, {}, &root_); }

 private:
  json_document(std::string file, json_value root) : file_(std::move(file)), root_(std::move(root)) {}
  std::string file_;
  json_value root_;
};

LLAVA_END
