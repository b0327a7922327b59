// SPDX-License-Identifier: Apache-2.0
/// Definitions of opened_model.hpp.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/disk_cache.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/pipeline/adapter.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/prompt.hpp>

LLAVA_BEGIN

LLAVA_INLINE result<std::span<const image>> opened_model::try_show(std::span<const image> images, const image_config& c,
                                                                   const image_plan& plan,
                                                                   std::vector<image>& cut) const {
  if (cuts_squares()) return images;
  for (const image& img : images) {
    LLAVA_TRY(squares, try_cut_squares(img, c, plan));
    std::move(squares.begin(), squares.end(), std::back_inserter(cut));
  }
  return std::span<const image>(cut);
}

LLAVA_INLINE result<std::shared_ptr<const image_tokens>> opened_model::try_encode_image(const image& img,
                                                                                        function_ref<bool()> go_on,
                                                                                        const adapter* with) const {
  return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
    LLAVA_TRY(plan, try_plan(img.width(), img.height()));
    std::vector<image> cut;
    LLAVA_TRY(shown, try_show({&img, 1}, opened.description.image, plan, cut));
    LLAVA_TRY(tokens, try_encode_squares(shown, plan, go_on, with));
    return std::shared_ptr<const image_tokens>(std::make_shared<image_tokens>(std::move(tokens)));
  });
}

LLAVA_INLINE result<video_plan> opened_model::try_plan(const video& v) const {
  if (!opened.description.has_video)
    return fail(
        errc::unsupported,
        "llava: this model takes no videos (config.json has no mm_spatial_pool_mode); give it frames as images");
  return try_plan_frames(static_cast<int>(v.frames().size()));
}

LLAVA_INLINE result<std::shared_ptr<const image_tokens>> opened_model::try_encode_video(const video& v,
                                                                                        function_ref<bool()> go_on,
                                                                                        const adapter* with) const {
  return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
    LLAVA_TRY(plan, try_plan(v));
    std::vector<image> cut;
    LLAVA_TRY(shown, try_show(v.frames(), config_of_frames(opened.description.image), image_plan(), cut));
    LLAVA_TRY(tokens, try_encode_frames(shown, plan, go_on, with));
    return std::shared_ptr<const image_tokens>(std::make_shared<image_tokens>(std::move(tokens)));
  });
}

LLAVA_INLINE result<std::shared_ptr<const image_tokens>> opened_model::try_encode(const visual& v,
                                                                                  function_ref<bool()> go_on,
                                                                                  const adapter* with) const {
  return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
    const kv_key adapter_name = with ? with->name() : kv_key();
    if (auto known = encoded_images.find(v.content(), adapter_name)) return known;
    const sha256_digest name = sha256().update_value(v.content()).update_value(adapter_name).digest();
    LLAVA_TRY(tokens, try_find_kept(v, name));
    if (!tokens) {
      LLAVA_TRY(made, v.is_video() ? try_encode_video(v.as_video(), go_on, with)
                                   : try_encode_image(v.as_image(), go_on, with));
      tokens = std::move(made);
      if (disk) {
        LLAVA_TRY(values, try_values(*tokens));
        static_cast<void>(disk->try_keep(disk_cache::kind::image, name, std::as_bytes(std::span(values))));
      }
    }
    encoded_images.insert(v.content(), adapter_name, tokens);
    return std::move(tokens);
  });
}

LLAVA_INLINE result<std::shared_ptr<const image_tokens>> opened_model::try_find_kept(const visual& v,
                                                                                     const sha256_digest& name) const {
  if (!disk) return std::shared_ptr<const image_tokens>();
  const auto found = disk->find(disk_cache::kind::image, name);
  if (!found) return std::shared_ptr<const image_tokens>();
  int needed = 0;
  if (v.is_video()) {
    LLAVA_TRY(plan, try_plan(v.as_video()));
    needed = plan.tokens;
  } else {
    LLAVA_TRY(plan, try_plan(v.as_image().width(), v.as_image().height()));
    needed = plan.tokens;
  }
  const std::size_t row = static_cast<std::size_t>(shapes().hidden) * sizeof(float), bytes = found->bytes().size();
  if (bytes % row != 0 || bytes / row < static_cast<std::size_t>(needed) || bytes / row > INT32_MAX)
    return std::shared_ptr<const image_tokens>();
  LLAVA_TRY(tokens, image_tokens::try_make(device_memory(), static_cast<int>(bytes / row), shapes().hidden));
  LLAVA_CHECK(tokens.memory.try_load(0, found->bytes().data(), bytes));
  return std::shared_ptr<const image_tokens>(std::make_shared<image_tokens>(std::move(tokens)));
}

LLAVA_INLINE int opened_model::load_kept_block(const kv_key& name) const {
  if (!disk) return -1;
  const auto found = disk->find(disk_cache::kind::block, name);
  if (!found || found->bytes().size() != block_bytes()) return -1;
  const int block = blocks->allocate();
  if (block < 0) return -1;
  if (!try_load_block(block, found->bytes())) {
    blocks->drop(block);
    return -1;
  }
  blocks->name(block, kv_block, name);
  return block;
}

LLAVA_INLINE result<void> opened_model::try_keep_cache() const {
  return guarded([&]() -> result<void> {
    if (!disk) return fail(errc::invalid_argument, "llava: the model was opened without a cache_folder");
    const auto named = blocks->hold_named();
    std::vector<std::byte> bytes(block_bytes());
    result<void> ok = disk->try_check();
    for (const auto& [block, name] : named) {
      if (ok && !disk->has(disk_cache::kind::block, name)) {
        ok = try_read_block(block, bytes);
        if (ok) ok = disk->try_keep(disk_cache::kind::block, name, bytes);
      }
      blocks->drop(block);
    }
    return ok;
  });
}

namespace detail {
/// Adds the names and bytes of a folder's configuration files.
inline void add_configuration(sha256& digest, const std::string& folder) {
  auto names = try_names_in(folder);
  if (!names) return;  // a GGUF file, which has its configuration in its header
  std::sort(names->begin(), names->end());
  for (const std::string& name : *names) {
    if (!name.ends_with(".json")) continue;
    const auto text = try_read_text_file(folder + "/" + name, std::size_t{1} << 20);  // larger ones are tokenizers
    if (!text) continue;
    digest.update_value(name.size()).update(std::as_bytes(std::span(name)));
    digest.update_value(text->size()).update(std::as_bytes(std::span(*text)));
  }
}
}  // namespace detail

LLAVA_INLINE result<void> opened_model::try_open_disk_cache(const open_options& options, std::string_view type,
                                                            std::string_view instructions) {
  if (options.cache_folder.empty()) return {};
  const std::string name = text_of(LLAVA_VERSION_MAJOR, ".", LLAVA_VERSION_MINOR, ".", LLAVA_VERSION_PATCH, "\n", type,
                                   "\n", instructions, "\n", opened.tensors.identity(), "\n", options.model_base);
  sha256 digest;
  digest.update(std::as_bytes(std::span(name)));
  for (const std::string& folder : {opened.path, opened.description.vision_folder})
    if (!folder.empty()) detail::add_configuration(digest, folder);
  LLAVA_TRY(cache, disk_cache::try_open(options.cache_folder, digest.digest(), options.cache_folder_bytes));
  disk = std::move(cache);
  return {};
}

LLAVA_INLINE result<std::shared_ptr<const void>> opened_model::try_part(
    const void* key, function_ref<result<std::shared_ptr<const void>>()> make) const {
  return guarded([&]() -> result<std::shared_ptr<const void>> {
    const auto find = [&]() -> std::shared_ptr<const void> {
      for (const auto& [known, part] : parts_)
        if (known == key) return part;
      return nullptr;
    };
    {
      const std::lock_guard<std::mutex> lock(parts_mutex_);
      if (auto part = find()) return part;
    }
    LLAVA_TRY(made, make());
    const std::lock_guard<std::mutex> lock(parts_mutex_);
    if (auto part = find()) return part;
    parts_.emplace_back(key, made);
    return made;
  });
}

LLAVA_INLINE result<void> opened_model::try_accept(const adapter* with) const {
  if (!with || &with->model() == this) return {};
  return fail(errc::invalid_argument, text_of("llava: the adapter of ", with->folder(),
                                              " was loaded for another model; load it for the model of this session"));
}

LLAVA_INLINE result<std::string> opened_model::try_first_prompt(std::size_t images, std::string_view question) const {
  return guarded([&]() -> result<std::string> {
    LLAVA_TRY(text, try_place_images(question, images, opened.description.image_start_end));
    const message turns[] = {{role::user, std::move(text), static_cast<int>(images)}, {role::assistant, {}, 0}};
    return try_prompt(turns);
  });
}

LLAVA_INLINE result<image_plan> opened_model::try_plan(int width, int height) const {
  if (!opened.description.has_vision)
    return fail(errc::unsupported, "llava: this model has no vision tower; it answers text only");
  return try_plan_image(opened.description.image, image_rows, width, height);
}

LLAVA_INLINE result<std::vector<image>> opened_model::try_squares(const image& img) const {
  return guarded([&]() -> result<std::vector<image>> {
    LLAVA_TRY(plan, try_plan(img.width(), img.height()));
    std::vector<image> cut;
    LLAVA_TRY(shown, try_show({&img, 1}, opened.description.image, plan, cut));
    if (cuts_squares()) return try_read_squares(shown, plan);
    return cut;
  });
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_pixels(const image& img) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(squares, try_squares(img));
    const byte_table table = normalise_table(opened.description.image);
    std::vector<float> all;
    for (const image& square : squares) {
      const std::vector<float> values = pixel_values(square, table);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  });
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_features_of(const image& img) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(plan, try_plan(img.width(), img.height()));
    std::vector<image> cut;
    LLAVA_TRY(shown, try_show({&img, 1}, opened.description.image, plan, cut));
    return try_features(shown, plan);
  });
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_image_tokens(const image& img) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(tokens, try_encode_image(img, never_stop));
    return try_values(*tokens);
  });
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_image_tokens(const video& v) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(tokens, try_encode_video(v, never_stop));
    return try_values(*tokens);
  });
}

LLAVA_END
