// SPDX-License-Identifier: Apache-2.0
/// Reads the canvases and the merge of any resolution from config.json and preprocessor_config.json.
///
/// image_grid_pinpoints is a list of two numbers each: width and height in LLaVA's own files, height and width in
/// those of transformers. LLaVA's may be a string instead: a list in Python's form, "[(336, 672), …]", or a range of
/// LLaVA-NeXT, "(1x1),...,(6x6)", in sides of the tower. With LLaVA-NeXT's "highres" it is a text of sides, "448,672",
/// of which the largest counts.
#pragma once
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <llava/checkpoint/json.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

namespace detail {

inline constexpr const char* canvases_key = "image_grid_pinpoints";

/// Reads a list of pairs of numbers into the canvases of c, `first_is_width` or height first.
inline result<void> try_read_pairs(const json_object& o, const json_value& list, bool first_is_width,
                                   tiling_config& c) {
  const error wrong = o.wrong(
      canvases_key, text_of("a list of 1 to ", tiling_config::most_canvases, " pairs of positive 32-bit integers"));
  if (list.items().empty() || list.items().size() > static_cast<std::size_t>(tiling_config::most_canvases))
    return wrong;
  c.count = 0;
  for (const json_value& pair : list.items()) {
    if (pair.items().size() != 2) return wrong;
    const auto a = pair.items()[0].integer(), b = pair.items()[1].integer();
    if (!a || !b || *a < 1 || *b < 1 || *a > INT32_MAX || *b > INT32_MAX) return wrong;
    const int first = static_cast<int>(*a), second = static_cast<int>(*b);
    c.canvases[c.count++] = first_is_width ? canvas_size{first, second} : canvas_size{second, first};
  }
  return {};
}

/// Reads "(AxB)" at the start of `text`; the numbers are at most 1000.
inline bool read_grid(std::string_view text, int& a, int& b) {
  const auto number = [&](int& to, char after) {
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), to);
    if (failure != std::errc() || end == text.data() + text.size() || *end != after || to < 0 || to > 1000)
      return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
    return true;
  };
  if (text.empty() || text.front() != '(') return false;
  text.remove_prefix(1);
  return number(a, 'x') && number(b, ')');
}

/// Reads the canvases from the first to the last "(AxB)" of a text; false when they are none or too many.
inline bool read_grid_range(std::string_view text, int side, tiling_config& c) {
  int first[2] = {}, last[2] = {};
  bool any = false;
  for (std::size_t at = text.find('('); at != std::string_view::npos; at = text.find('(', at + 1)) {
    if (!read_grid(text.substr(at), last[0], last[1])) continue;
    if (!any) first[0] = last[0], first[1] = last[1];
    any = true;
  }
  if (!any || first[0] < 1 || first[1] < 1 || last[0] < first[0] || last[1] < first[1]) return false;
  if ((last[0] - first[0] + 1) * (last[1] - first[1] + 1) > tiling_config::most_canvases) return false;
  const auto of_tower = [&](int n) {  // rules bound it
    return static_cast<int>((std::min)(std::int64_t{n} * side, std::int64_t{INT32_MAX}));
  };
  c.count = 0;
  for (int a = first[0]; a <= last[0]; ++a)
    for (int b = first[1]; b <= last[1]; ++b) c.canvases[c.count++] = {of_tower(a), of_tower(b)};
  return true;
}

/// Reads the canvases of an original folder. side: the tower's.
inline result<void> try_read_original_canvases(const json_object& o, int side, tiling_config& c) {
  const json_value* v = o.find(canvases_key);
  if (!v) return o.wrong(canvases_key, "there, for any resolution");
  const std::string* text = v->text();
  if (!text) return try_read_pairs(o, *v, true, c);
  if (text->find('x') != std::string::npos) {
    if (read_grid_range(*text, side, c)) return {};
    return o.wrong(canvases_key,
                   text_of("a range such as (1x1),...,(6x6) of at most ", tiling_config::most_canvases, " canvases"));
  }
  std::string list = *text;
  std::replace(list.begin(), list.end(), '(', '[');
  std::replace(list.begin(), list.end(), ')', ']');
  const result<json_value> parsed = try_parse_json(canvases_key, list);
  if (!parsed) return o.wrong(canvases_key, "a list of pairs, or a string that holds one");
  return try_read_pairs(o, *parsed, true, c);
}

/// Reads the N of "anyres_max_N".
inline bool read_shrinks_to(std::string_view shape, int& n) {
  constexpr std::string_view start = "anyres_max_";
  if (shape.substr(0, start.size()) != start) return false;
  const char *first = shape.data() + start.size(), *last = shape.data() + shape.size();
  const auto [end, failure] = std::from_chars(first, last, n);
  return failure == std::errc() && end == last && n >= 1 && n <= 256;
}

/// Reads a merge of any resolution, mm_patch_merge_type. `file.unsupported(key, found, expected)` makes the error.
template <class File>
result<void> try_read_merge(const File& file, const char* key, const std::string& merge, tiling_config& t) {
  const auto has = [&](std::string_view part) { return merge.find(part) != std::string::npos; };
  if (merge != "flat" && !merge.starts_with("spatial"))
    return file.unsupported(key, merge, "flat, spatial, spatial_unpad or spatial_maxpool2x2");
  t.merge = merge == "flat"     ? tile_merge::flat
            : has("maxpool2x2") ? tile_merge::pool  // before unpad, as in LLaVA-NeXT
            : has("unpad")      ? tile_merge::unpad
                                : tile_merge::spatial;
  t.whole_image = merge == "flat" || !has("nobase");
  return {};
}

/// Reads the one canvas of "highres": the largest side of a text such as "448,672".
inline result<void> try_read_largest_side(const json_object& o, tiling_config& c) {
  std::string sides;
  LLAVA_CHECK(o.read(canvases_key, sides));
  const error wrong = o.wrong(canvases_key, "a text of sides such as 448,672, for highres");
  int largest = 0;
  for (std::size_t at = 0; at <= sides.size();) {
    const std::size_t end = (std::min)(sides.find(',', at), sides.size());
    std::string_view side = std::string_view(sides).substr(at, end - at);
    while (!side.empty() && side.front() == ' ') side.remove_prefix(1);
    while (!side.empty() && side.back() == ' ') side.remove_suffix(1);
    int n = 0;
    const auto [last, failure] = std::from_chars(side.data(), side.data() + side.size(), n);
    if (failure != std::errc() || last != side.data() + side.size() || n < 1) return wrong;
    largest = (std::max)(largest, n), at = end + 1;
  }
  c.fit = canvas_fit::pad, c.canvases[c.count++] = {largest, largest};
  return {};
}

/// Reads the one canvas of "crop_split". side: the tower's.
inline result<void> try_read_split_canvas(const json_object& o, int side, image_config& c) {
  int canvas = 0, split = 0;
  LLAVA_CHECK(o.read("image_crop_resolution", canvas));
  LLAVA_CHECK(o.read("image_split_resolution", split));
  if (canvas < 1) return o.wrong("image_crop_resolution", "at least 1, for crop_split");
  if (split != side)
    return o.wrong("image_split_resolution", text_of("the side of the tower, ", side, ", for crop_split"));
  c.tiling.fit = canvas_fit::cover, c.tiling.canvases[c.tiling.count++] = {canvas, canvas};
  c.tiling.whole_image = false;
  c.filter = resampling::lanczos;
  return {};
}

/// Reads how an original folder makes the squares of an image into image tokens. `shape`: image_aspect_ratio.
inline result<void> try_read_original_tiling(const json_object& root, const std::string& shape, int side,
                                             image_config& c) {
  const char *aspect_key = "image_aspect_ratio", *merge_key = "mm_patch_merge_type";
  std::string merge = "flat";
  LLAVA_CHECK(root.read(merge_key, merge));
  if (!shape.starts_with("anyres")) {
    if (shape == "highres" || shape == "crop_split") {
      LLAVA_CHECK(try_read_merge(root, merge_key, merge, c.tiling));
      c.filter = resampling::bicubic;
      return shape == "highres" ? try_read_largest_side(root, c.tiling) : try_read_split_canvas(root, side, c);
    }
    if (merge != "flat") return root.unsupported(merge_key, text_of(merge, " without anyres"), "flat");
    return {};
  }
  tiling_config& t = c.tiling;
  if (shape != "anyres" && !read_shrinks_to(shape, t.shrinks_to))
    return root.unsupported(aspect_key, shape, "anyres, or anyres_max_N with N of 1 to 256");
  LLAVA_CHECK(try_read_merge(root, merge_key, merge, t));
  c.filter = resampling::bicubic;  // whatever the tower's processor uses for its own squares
  return try_read_original_canvases(root, side, t);
}

/// Reads the canvases of a folder in transformers' layout; absent: those of LLaVA-1.6.
inline result<void> try_read_llava_next_canvases(const json_object& o, tiling_config& c) {
  c = {};
  for (const auto& [height, width] : {std::pair{336, 672}, {672, 336}, {672, 672}, {1008, 336}, {336, 1008}})
    c.canvases[c.count++] = {width, height};
  c.merge = tile_merge::unpad, c.rounds_to_zero = false;
  const json_value* v = o.find(canvases_key);
  return v ? try_read_pairs(o, *v, false, c) : result<void>();
}

}  // namespace detail

LLAVA_END
