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
                                                                                        const stop_signal& stop,
                                                                                        const adapter* with) const {
  return guarded([&]() -> result<std::shared_ptr<const image_tokens>> {
    LLAVA_TRY(square, try_square(img));
    LLAVA_TRY(tokens, try_encode(square, stop, with));
    return std::shared_ptr<const image_tokens>(std::make_shared<image_tokens>(std::move(tokens)));
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

LLAVA_INLINE result<image> opened_model::try_square(const image& img) const {
  if (!opened.description.has_vision)
    return fail(errc::unsupported, "llava: this model has no vision tower; it answers text only");
  return try_preprocess(img, opened.description.image);
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_pixels(const image& img) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(square, try_square(img));
    return pixel_values(square, normalise_table(opened.description.image));
  });
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_features_of(const image& img) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(square, try_square(img));
    return try_features(square);
  });
}

LLAVA_INLINE result<std::vector<float>> opened_model::try_image_tokens(const image& img) const {
  return guarded([&]() -> result<std::vector<float>> {
    LLAVA_TRY(square, try_square(img));
    LLAVA_TRY(tokens, try_encode(square, {}, nullptr));
    return try_values(tokens);
  });
}

LLAVA_END
