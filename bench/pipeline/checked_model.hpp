// SPDX-License-Identifier: Apache-2.0
/// Verifies models before anything is timed: a subject's logits on the bundled model are compared with those of the
/// scalar backend in f32.
#pragma once
#include <llava/backend/scalar.hpp>

#include "subject.hpp"

namespace bench {

/// An image of the tower's size, so that preprocessing takes almost no time.
inline llava::image some_image(int side) {
  llava::image img(side, side);
  for (std::size_t i = 0; i < img.pixels().size(); ++i)
    img.pixels()[i] = static_cast<std::uint8_t>(128.f + 127.f * random_at(i));
  return img;
}

/// Logits of a question about an image on the bundled model: f32 on the scalar backend, computed on the first call.
const std::vector<float>& reference_logits(const llava::image& img, const std::string& prompt);

/// Returns an error message if a subject's logits on the bundled model differ from the reference. A model type with
/// fixed sizes cannot open the bundled model and is not compared.
template <class Subject>
std::string mistake_on_tiny() {
  if constexpr (requires { Subject::model::text; }) return {};
  auto model = Subject::model_type::try_open(LLAVA_EXAMPLES_DIR "/tiny", options());
  if (!model) return model.error().what();
  const llava::image img = some_image(84);
  const std::string prompt = *model->try_prompt(1, "How many shapes are there?");
  auto chat = model->session();
  const auto logits = chat.try_logits(prompt, std::span<const llava::image>(&img, 1));
  if (!logits) return logits.error().what();
  const auto& expected = reference_logits(img, prompt);
  nmse error;
  for (std::size_t i = 0; i < expected.size(); ++i)
    error.add(static_cast<double>((*logits)[i]), static_cast<double>(expected[i]));
  // 16-bit weights and caches round. The error of quantised weights is measured elsewhere: here it must only be the
  // model.
  const double most = arithmetic_of<typename Subject::policy::text>() == arithmetic::int8 ? 5e-2 : 1e-3;
  if (logits->size() == expected.size() && error.value() < most) return {};
  return "wrong logits on the bundled model: NMSE " + std::to_string(error.value());
}

/// Ends a benchmark with an error message if the subject is wrong on the bundled model. Each subject is checked once.
template <class Subject>
bool is_right_on_tiny(benchmark::State& state) {
  static const std::string mistake = mistake_on_tiny<Subject>();
  if (mistake.empty()) return true;
  give_up(state, mistake.c_str());
  return false;
}

/// Calls body with an open model of a verified subject, or ends the benchmark with an error message.
template <class Subject, class Body>
void with_model(benchmark::State& state, const model_shape& shape, Body&& body) {
  if (!is_right_on_tiny<Subject>(state)) return;
  auto model = try_model_of<Subject>(shape);
  if (!model) return give_up(state, model.error().what());
  body(*model);
}

}  // namespace bench
