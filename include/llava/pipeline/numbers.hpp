// SPDX-License-Identifier: Apache-2.0
/// The source of a pipeline's configuration: the model's type, or its folder. Both have the same rules: a fixed model
/// that breaks one is a compile error, a loaded one a run-time error with the same sentence. If a folder is not the
/// fixed model that it is opened as, the error lists the fields that differ.
#pragma once
#include <concepts>
#include <string>
#include <type_traits>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/config.hpp>
#include <llava/pipeline/config_fields.hpp>

LLAVA_BEGIN

/// M states its configuration as static members.
template <class M>
concept fixed_model = requires {
  { M::vision } -> std::convertible_to<vision_config>;
  { M::text } -> std::convertible_to<text_config>;
  { M::projection } -> std::convertible_to<projector_config>;
};

/// M states how the image tokens of any resolution are merged. Otherwise the folder decides, also that an image is one
/// square.
template <class M>
concept states_merge = requires {
  { M::merge } -> std::convertible_to<tile_merge>;
};

/// M states at least one of them. To state only some is an error.
template <class M>
concept states_numbers = requires {
  M::vision;
}
|| requires { M::text; }
|| requires { M::projection; };

namespace detail {
template <class M, bool Fixed = fixed_model<M>>
struct numbers {
  using vision = loaded<vision_config>;
  using text = loaded<text_config>;
  using projection = loaded<projector_config>;
};
template <class M>
struct numbers<M, true> {
  using vision = fixed<&M::vision>;
  using text = fixed<&M::text>;
  using projection = fixed<&M::projection>;
};

/// One configuration, from the type or from the folder.
template <class Numbers, class Config>
Numbers numbers_from(const Config& read) {
  if constexpr (Numbers::is_fixed)
    return {};
  else
    return {read};
}

template <class T>
std::string text_of_number(const T& v) {
  if constexpr (std::is_enum_v<T>)
    return std::to_string(static_cast<int>(v));
  else
    return std::to_string(v);
}

template <class T>
std::string difference(std::string_view name, const T& expected, const T& found) {
  return text_of(name, ": the model has ", text_of_number(expected), ", the folder has ", text_of_number(found));
}
/// Of two lists, their lengths or else the first number that differs.
template <class List>
requires requires(const List& list) { list.of[0]; }
std::string difference(std::string_view name, const List& expected, const List& found) {
  if constexpr (requires { expected.count; })
    if (expected.count != found.count) return difference(text_of(name, ".count"), expected.count, found.count);
  std::size_t at = 0;
  while (expected.of[at] == found.of[at]) ++at;
  return difference(text_of(name, "[", at, "]"), expected.of[at], found.of[at]);
}

template <class Config>
void compare(const Config& expected, const Config& found, std::vector<std::string>& mistakes) {
  each_field(&expected, [&](std::string_view name, auto member) {
    if (expected.*member != found.*member) mistakes.push_back(difference(name, expected.*member, found.*member));
  });
}
}  // namespace detail

/// Checks that the folder has the configuration that a fixed M states.
template <class M>
result<void> try_confirm(const model_description& d, std::string_view folder) {
  if constexpr (fixed_model<M>) {
    std::vector<std::string> mistakes;
    if (!d.has_vision) mistakes.push_back("the folder is a text-only model");
    if (d.has_vision) {
      detail::compare(M::vision, d.vision, mistakes);
      detail::compare(M::projection, d.projector, mistakes);
      if constexpr (states_merge<M>)
        if (d.image.tiling.count == 0 || d.image.tiling.merge != M::merge)
          mistakes.push_back(text_of("merge: the model has ", name_of(M::merge), ", the folder has ",
                                     d.image.tiling.count == 0 ? "one square" : name_of(d.image.tiling.merge)));
    }
    detail::compare(M::text, d.text, mistakes);
    if (!mistakes.empty()) {
      std::string sentence = text_of(
          "llava: ", folder, " is not the model that it was opened as (llava::any opens it by its config.json):");
      for (const std::string& m : mistakes) sentence += "\n  " + m;
      return fail(errc::mismatch, std::move(sentence));
    }
  }
  return {};
}

LLAVA_END
