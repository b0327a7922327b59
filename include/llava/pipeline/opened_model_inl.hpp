// SPDX-License-Identifier: Apache-2.0
/// Definitions of opened_model.hpp.
#pragma once
#include <memory>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/pipeline/adapter.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/prompt.hpp>

LLAVA_BEGIN

LLAVA_INLINE result<std::shared_ptr<const image_tokens>> opened_model::try_encode_image(const image& img,
                                                                                        function_ref<bool()> go_on,
                                                                                        const adapter* with) const {
  return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
    LLAVA_TRY(plan, try_plan(img.width(), img.height()));
    LLAVA_TRY(squares, try_cut_squares(img, opened.description.image, plan));
    LLAVA_TRY(tokens, try_encode_squares(squares, plan, go_on, with));
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
    const image_config of_frames = config_of_frames(opened.description.image);
    std::vector<image> squares;
    for (const image& frame : v.frames()) {
      LLAVA_TRY(square, try_preprocess(frame, of_frames));
      squares.push_back(std::move(square));
    }
    LLAVA_TRY(tokens, try_encode_frames(squares, plan, go_on, with));
    return std::shared_ptr<const image_tokens>(std::make_shared<image_tokens>(std::move(tokens)));
  });
}

LLAVA_INLINE result<std::shared_ptr<const image_tokens>> opened_model::try_encode(const visual& v,
                                                                                  function_ref<bool()> go_on,
                                                                                  const adapter* with) const {
  return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
    const kv_key adapter_name = with ? with->name() : kv_key();
    if (auto known = encoded_images.find(v.content(), adapter_name)) return known;
    LLAVA_TRY(made,
              v.is_video() ? try_encode_video(v.as_video(), go_on, with) : try_encode_image(v.as_image(), go_on, with));
    encoded_images.insert(v.content(), adapter_name, made);
    return std::move(made);
  });
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
  LLAVA_TRY(plan, try_plan(img.width(), img.height()));
  return try_cut_squares(img, opened.description.image, plan);
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
    LLAVA_TRY(squares, try_squares(img));
    return try_features(squares);
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
