// SPDX-License-Identifier: Apache-2.0
/// The bundled model, opened once for all tests of the pipeline, and generated images.
#pragma once
#include <llava.hpp>
#include <pipelines.hpp>
#include <llava_catch.hpp>

#include <string>
#include <vector>

namespace tiny {

inline const std::string folder = std::string(LLAVA_EXAMPLES_DIR) + "/tiny";

/// llava::any on the simd backend, f16 weights in place.
using model_type = llava::pipeline<llava::any, llava::simd, llava::weights<llava::f16>>;

inline llava::open_options options(int threads = 2, int max_batch_tokens = 256) {
  llava::open_options o;
  o.threads = threads;
  o.max_batch_tokens = max_batch_tokens;
  o.kv_tokens = 16384;
  o.prompt_lookup = 0;  // one token a step
  return o;
}
inline model_type open_folder(const std::string& where, const llava::open_options& o = options()) {
  auto opened = model_type::try_open(where, o);
  if (!opened) FAIL(opened.error().what());
  return *std::move(opened);
}
inline model_type open(const llava::open_options& o) { return open_folder(folder, o); }
inline const model_type& model() {
  static const model_type m = open(options());
  return m;
}

/// The same model without caches, which computes each answer anew.
inline const model_type& forgetful_model() {
  static const model_type m = [] {
    llava::open_options o = options();
    o.prefix_cache = false, o.image_cache_bytes = 0;
    return open(o);
  }();
  return m;
}

/// A square of one colour on white, at a position chosen by `seed`.
inline llava::image test_image(int seed, int width = 100, int height = 80) {
  static constexpr std::uint8_t colours[][3] = {{220, 30, 30}, {30, 60, 200}, {20, 160, 60}, {230, 200, 30}};
  std::vector<std::uint8_t> rgb(static_cast<std::size_t>(width * height) * 3, 255);
  const int side = 24, left = 5 + seed * 13 % (width - side - 10), top = 5 + seed * 7 % (height - side - 10);
  for (int y = top; y < top + side; ++y)
    for (int x = left; x < left + side; ++x)
      for (int c = 0; c < 3; ++c) rgb[static_cast<std::size_t>((y * width + x) * 3 + c)] = colours[seed % 4][c];
  return *llava::try_image_from_rgb(width, height, std::as_bytes(std::span<const std::uint8_t>(rgb)));
}

/// Settings of an answer of exactly this many tokens.
inline llava::generation_settings few(int tokens = 4) {
  llava::generation_settings s;
  s.max_new_tokens = tokens;
  s.ignore_eos = true;
  return s;
}

inline llava::answer value(llava::result<llava::answer> a) {
  if (!a) FAIL(a.error().what());
  return *std::move(a);
}
/// The answers of a batch; every row must have one.
inline std::vector<llava::answer> values(llava::result<std::vector<llava::result<llava::answer>>> all) {
  if (!all) FAIL(all.error().what());
  std::vector<llava::answer> answers;
  for (auto& a : *all) {
    if (!a) FAIL(a.error().what());
    answers.push_back(*std::move(a));
  }
  return answers;
}

}  // namespace tiny
