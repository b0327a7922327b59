// SPDX-License-Identifier: Apache-2.0
/// schema_places: the subschemas that were reached, numbered, and where each stands, for errors.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/json_value.hpp>
#include <llava/text/shown.hpp>

LLAVA_BEGIN

namespace detail {

/// Where a subschema stands in the schema.
struct schema_place {
  const json_value* value = nullptr;
  std::uint32_t parent = 0xffffffff;
  std::string_view keyword{};  ///< under which it stands in its parent
  std::string_view name{};     ///< of the member, behind the keyword
  std::int64_t index = -1;     ///< of the element, behind the keyword
};

class schema_places {
 public:
  explicit schema_places(const json_value& root) : places_{{&root}}, numbers_{{&root, 0}} {}

  std::size_t size() const { return places_.size(); }
  const schema_place& operator[](std::uint32_t number) const { return places_[number]; }
  /// The number of a subschema, known or new.
  std::uint32_t number_of(const schema_place& p) {
    const auto [known, is_new] = numbers_.try_emplace(p.value, static_cast<std::uint32_t>(places_.size()));
    if (is_new) places_.push_back(p);
    return known->second;
  }

  error error_at(std::uint32_t place, std::string_view keyword, std::string_view sentence,
                 errc code = errc::unsupported) const {
    failed_at_ = pointer_of(place);
    return fail(code, text_of("llava: the schema's ", keyword, " at \"", failed_at_, "\" ", sentence));
  }
  /// The pointer of the last error's subschema.
  const std::string& failed_at() const { return failed_at_; }
  error malformed(std::uint32_t place, std::string_view keyword, std::string_view expected) const {
    return error_at(place, keyword, text_of("must be ", expected), errc::invalid_format);
  }
  /// A count such as maxItems. It may be written 2.0.
  result<std::uint32_t> try_count(std::uint32_t here, const json_value* v, std::string_view name, std::uint32_t absent,
                                  double most) const {
    if (!v) return absent;
    const double d = v->number().value_or(-1);
    if (d < 0 || d != std::floor(d)) return malformed(here, text_of("\"", name, "\""), "a whole number, 0 or more");
    if (d > most)
      return error_at(here, text_of("\"", name, "\""),
                      text_of("is too large, expected at most ", static_cast<std::int64_t>(most)));
    return static_cast<std::uint32_t>(d);
  }

  /// Notes that the values of `from` include those of `to`, through $ref, anyOf and the like.
  void is_also(std::uint32_t from, std::uint32_t to) { aliases_.push_back({from, to}); }
  /// A subschema that includes itself so has no meaning.
  result<void> refuse_left_recursion() const {
    std::vector<std::vector<std::uint32_t>> to(places_.size());
    std::vector<std::uint32_t> waits(places_.size(), 0), ready;
    for (const alias& a : aliases_) to[a.from].push_back(a.to), ++waits[a.to];
    for (std::uint32_t p = 0; p < waits.size(); ++p)
      if (waits[p] == 0) ready.push_back(p);
    for (std::size_t i = 0; i < ready.size(); ++i)
      for (const std::uint32_t t : to[ready[i]])
        if (--waits[t] == 0) ready.push_back(t);
    if (ready.size() == places_.size()) return {};
    std::uint32_t first = 0;
    while (waits[first] == 0) ++first;
    return error_at(first, "subschema", "refers to itself without a property or an element between",
                    errc::invalid_argument);
  }

 private:
  struct alias {
    std::uint32_t from, to;
  };

  /// The JSON pointer of a place (RFC 6901), for a sentence.
  std::string pointer_of(std::uint32_t at) const {
    std::vector<std::string> steps;
    for (; steps.size() < 64 && places_[at].parent != 0xffffffff; at = places_[at].parent) {
      const schema_place& p = places_[at];
      if (p.index >= 0) steps.push_back(text_of(p.index));
      if (p.name.data()) {
        std::string escaped;
        for (const char c : p.name.substr(0, 200)) escaped += c == '~' ? "~0" : c == '/' ? "~1" : std::string(1, c);
        steps.push_back(shown(escaped));
      }
      steps.emplace_back(p.keyword);
    }
    std::string out = places_[at].parent == 0xffffffff ? "" : "…";
    for (auto s = steps.rbegin(); s != steps.rend(); ++s) out.append("/").append(*s);
    return out;
  }

  std::vector<schema_place> places_;
  std::unordered_map<const json_value*, std::uint32_t> numbers_;
  std::vector<alias> aliases_;
  mutable std::string failed_at_;
};

}  // namespace detail

LLAVA_END
