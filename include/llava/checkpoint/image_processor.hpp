// SPDX-License-Identifier: Apache-2.0
/// Reads a folder's settings for image preprocessing: preprocessor_config.json, or "image_processor" in
/// processor_config.json, which takes precedence, as in transformers 5.
///
/// The meaning of the keys depends on the class that the file names, so each class of transformers is a row of a table:
/// its defaults for absent keys, and the keys that it reads. A key that the class does not read is ignored here as
/// well. The library follows the slow classes of transformers 4.57, which use Pillow (docs/fidelity.md). Errors about
/// unsupported settings name the key and the class.
#pragma once
#include <string>
#include <string_view>

#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/tiling.hpp>
#include <llava/checkpoint/vision_config.hpp>
#include <llava/config.hpp>

LLAVA_BEGIN

namespace detail {

enum class image_mean_std : std::uint8_t { clip, half };

/// One image processor of transformers.
struct image_processor {
  std::string_view name;                           // of the class, without ImageProcessor
  int resize;                                      // default of size …
  bool both;                                       // … for both sides; false: for the shorter one
  int crop;                                        // default of crop_size; 0: never crops
  resampling filter = resampling::bicubic;         // default of resample
  image_mean_std mean_std = image_mean_std::clip;  // default of image_mean and image_std
  bool takes_edge = false, takes_number = false;   // size may be {"shortest_edge": 336}; size may be 336
  bool pads = false;                               // reads do_pad
  bool tiles = false;                              // cuts an image into tiles (any resolution)
};

inline constexpr image_processor image_processors[] = {
    {"CLIP", 224, false, 224, resampling::bicubic, image_mean_std::clip, true, true},
    {"Llava", 224, false, 224, resampling::bicubic, image_mean_std::clip, true, true, true},
    {"LlavaNext", 224, false, 224, resampling::bicubic, image_mean_std::clip, true, true, false, true},
    {"Siglip", 224, true, 0, resampling::bicubic, image_mean_std::half},
    {"ViT", 224, true, 0, resampling::bilinear, image_mean_std::half, false, true},
    {"Blip", 384, true, 0, resampling::bicubic, image_mean_std::clip, false, true},
    {"Bit", 224, false, 224, resampling::bicubic, image_mean_std::clip, true, true},
    {"DeiT", 256, true, 224, resampling::bicubic, image_mean_std::half, false, true},
};

/// The row for "CLIPImageProcessor", "CLIPImageProcessorFast" (transformers 4), "CLIPImageProcessorPil" (5) or
/// "CLIPFeatureExtractor"; null when there is none.
inline const image_processor* find_image_processor(std::string_view type) {
  for (const std::string_view end : {"Fast", "Pil"})
    if (type.size() > end.size() && type.ends_with(end)) type.remove_suffix(end.size());
  for (const image_processor& p : image_processors)
    if (type.substr(0, p.name.size()) == p.name) {
      const std::string_view rest = type.substr(p.name.size());
      if (rest == "ImageProcessor" || rest == "FeatureExtractor") return &p;
    }
  return nullptr;
}

inline void set_mean_std(image_mean_std which, image_config& c) {
  const image_config of_clip{};
  for (std::size_t i = 0; i < 3; ++i) {
    c.mean[i] = which == image_mean_std::half ? 0.5 : of_clip.mean[i];
    c.std[i] = which == image_mean_std::half ? 0.5 : of_clip.std[i];
  }
}

/// Reads the keys of one image processor into an image_config.
class image_processor_reader {
 public:
  image_processor_reader(const json_object& o, const image_processor& p, image_config& c)
      : o_(o), p_(p), class_(text_of(p.name, "ImageProcessor")), c_(c) {}

  result<void> try_read() {
    bool resizes = true, crops = true, rescales = true, pads = false, odd = false;
    LLAVA_CHECK(flag("do_resize", resizes));
    LLAVA_CHECK(flag("do_center_crop", crops));
    LLAVA_CHECK(flag("do_rescale", rescales));
    LLAVA_CHECK(flag("do_normalize", c_.normalise));
    LLAVA_CHECK(flag("do_pad", pads));
    LLAVA_CHECK(flag("use_square_size", odd));
    if (odd) return o_.unsupported("use_square_size", text_of("true for ", class_), "false");
    bool both = p_.both;
    c_.resize = p_.resize;
    if (resizes)
      LLAVA_CHECK(try_read_size("size", p_.takes_edge, p_.takes_number, c_.resize, both));
    else
      c_.resize = 0;
    if (resizes && c_.resize < 1) return o_.wrong("size", "at least one pixel");
    c_.shape = p_.pads && pads ? aspect::pad : both ? aspect::stretch : aspect::crop;
    if (p_.crop > 0 && crops) {
      bool square = true;
      c_.crop = p_.crop;
      LLAVA_CHECK(try_read_size("crop_size", false, true, c_.crop, square));
    } else if (!resizes) {
      return o_.unsupported("do_resize", text_of("false for ", class_, ", without a crop"),
                            "true; the tower needs squares of one size");
    } else if (c_.shape == aspect::crop) {
      return o_.unsupported("do_center_crop", text_of("false for ", class_, ", with a size of the shorter side"),
                            "true, or a size of both sides; the tower needs squares");
    } else {
      c_.crop = c_.resize;
    }
    LLAVA_CHECK(try_read_filter());
    c_.rescale = 1.0 / 255.0;
    LLAVA_CHECK(o_.read("rescale_factor", c_.rescale));
    if (!rescales) c_.rescale = 1;
    set_mean_std(p_.mean_std, c_);
    LLAVA_CHECK(try_read_three("image_mean", c_.mean));
    return try_read_three("image_std", c_.std);
  }

 private:
  /// null means false, as in Python.
  result<void> flag(const char* key, bool& to) const {
    if (o_.contains(key) && !o_.has(key)) to = false;
    return o_.read(key, to);
  }

  /// Reads 336, [336, 336], {"shortest_edge": 336} or {"height": 336, "width": 336}, as far as the class accepts them.
  /// Sets `both` to whether it is the size of both sides.
  result<void> try_read_size(const char* key, bool takes_edge, bool takes_number, int& size, bool& both) const {
    const json_value* v = o_.find(key);
    if (!v) return {};
    if (v->integer() && takes_number) {
      both = !takes_edge;
      return o_.read(key, size);
    }
    if (v->items().size() == 2 && takes_number) {
      both = true;
      return try_read_square(key, v->items()[0], v->items()[1], size);
    }
    const std::string known = text_of(takes_edge ? "{\"shortest_edge\": …}, " : "", "{\"height\": …, \"width\": …}",
                                      takes_number ? ", or a number" : "", " for ", class_);
    if (!v->is_object()) return o_.wrong(key, known);
    LLAVA_TRY(edges, o_.object(key));
    if (takes_edge && v->members().size() == 1 && edges.has("shortest_edge")) {
      both = false;
      return edges.read("shortest_edge", size);
    }
    if (v->members().size() != 2 || !edges.has("height") || !edges.has("width")) {
      std::string found;
      for (const auto& [name, value] : v->members()) found += (found.empty() ? "an object of " : ", ") + name;
      return o_.unsupported(key, found.empty() ? "empty" : found, known);
    }
    both = true;
    return try_read_square(key, *edges.find("height"), *edges.find("width"), size);
  }
  result<void> try_read_square(const char* key, const json_value& height, const json_value& width, int& size) const {
    const auto h = height.integer(), w = width.integer();
    if (!h || !w || *h < 0 || *h > INT32_MAX) return o_.wrong(key, "a size of non-negative 32-bit integers");
    if (*h != *w) return o_.unsupported(key, text_of(*w, " x ", *h, " for ", class_), "a square");
    size = static_cast<int>(*h);
    return {};
  }

  result<void> try_read_filter() {
    int filter = static_cast<int>(p_.filter);
    LLAVA_CHECK(o_.read("resample", filter));
    c_.filter = static_cast<resampling>(filter);
    if (c_.resize == 0 || (filter >= 1 && filter <= 3)) return {};
    return o_.unsupported("resample", text_of(filter, " for ", class_), "1 (lanczos), 2 (bilinear) or 3 (bicubic)");
  }

  /// Reads one number for all channels, or one for each.
  result<void> try_read_three(const char* key, double (&to)[3]) const {
    const json_value* v = o_.find(key);
    if (!v) return {};
    for (std::size_t i = 0; i < 3; ++i) {
      const auto number = v->items().size() == 3 ? v->items()[i].number() : v->number();
      if (!number || !(*number >= -1e6 && *number <= 1e6)) return o_.wrong(key, "one number or three numbers");
      to[i] = *number;
    }
    return {};
  }

  const json_object& o_;
  const image_processor& p_;
  const std::string class_;
  image_config& c_;
};

/// `type`: the class, whichever the file names. When it is empty, `otherwise` is the class of a file that names none.
/// c.tiling: the canvases of config.json, which those of the file must equal.
inline result<void> try_read_image_processor(const json_object& o, std::string type, std::string_view otherwise,
                                             image_config& c) {
  const char* key = "image_processor_type";
  if (type.empty()) {
    LLAVA_CHECK(o.read(key, type));
    if (type.empty()) LLAVA_CHECK(o.read("feature_extractor_type", type));
    if (type.empty()) type = otherwise;
  }
  const bool tiles = c.tiling.count > 0;
  if (!tiles && (type.starts_with("LlavaNext") || type.starts_with("LlavaOnevision")))
    return o.unsupported(key, text_of(type, ", which cuts an image into tiles (any resolution)"),
                         "CLIPImageProcessor, LlavaImageProcessor and others that give one square; the model_type of "
                         "LlavaNextImageProcessor is llava_next");
  const image_processor* p = find_image_processor(type);
  if (!p || p->tiles != tiles) {
    std::string known;
    for (const image_processor& one : image_processors)
      if (one.tiles == tiles) known += text_of(known.empty() ? "" : ", ", one.name, "ImageProcessor");
    return o.unsupported(key, type, known);
  }
  if (tiles) {
    tiling_config own;
    LLAVA_CHECK(try_read_llava_next_canvases(o, own));
    if (own != c.tiling) return o.wrong(canvases_key, "the same list as in config.json");
  }
  return image_processor_reader(o, *p, c).try_read();
}

/// Sets the preprocessing for a tower of `side` pixels when no file states it.
inline void default_preprocessing(bool siglip, int side, image_config& c) {
  c.shape = siglip ? aspect::stretch : aspect::crop;
  c.resize = c.crop = side;
  set_mean_std(siglip ? image_mean_std::half : image_mean_std::clip, c);
}

/// Reads the settings of a llava-hf folder with the config.json `root`. `c` is unchanged when no file states any.
inline result<void> try_read_preprocessing(const std::string& folder, const json_object& root, image_config& c) {
  std::string otherwise = c.tiling.count > 0 ? "LlavaNextImageProcessor" : "LlavaImageProcessor";
  LLAVA_CHECK(root.read("image_processor_type", otherwise));
  const std::string newer = folder + "/processor_config.json", file = folder + "/preprocessor_config.json";
  if (file_exists(newer)) {
    LLAVA_TRY(json, json_document::try_read(newer));
    LLAVA_TRY(inner, json.root().object("image_processor"));
    if (json.root().has("image_processor")) return try_read_image_processor(inner, {}, otherwise, c);
  }
  if (!file_exists(file)) return {};
  LLAVA_TRY(json, json_document::try_read(file));
  LLAVA_TRY(inner, json.root().object("image_processor"));
  return try_read_image_processor(json.root().has("image_processor") ? inner : json.root(), {}, otherwise, c);
}

/// Reads the settings of a tower in the original layout. LLaVA's program has two classes: transformers'
/// CLIPImageProcessor, whichever class preprocessor_config.json names, and a SigLIP class that reads no file. `pads`:
/// it pads to a square.
inline result<void> try_read_original_preprocessing(const std::string& tower, const vision_config& v, bool pads,
                                                    image_config& c) {
  const bool siglip = !v.class_token;
  default_preprocessing(siglip, v.image, c);
  c.pillow = 12;
  const std::string file = tower + "/preprocessor_config.json";
  if (!siglip && file_exists(file)) {
    LLAVA_TRY(json, json_document::try_read(file));
    LLAVA_CHECK(try_read_image_processor(json.root(), "CLIPImageProcessor", {}, c));
  }
  if (pads) c.shape = aspect::pad;  // a padded image is square: its shorter side is both sides
  return {};
}

}  // namespace detail

LLAVA_END
