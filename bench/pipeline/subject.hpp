// SPDX-License-Identifier: Apache-2.0
/// The subject of a stage: a model type, a backend and weights, named by `choice<M, B, F>`. `F` is a format, or a
/// custom policy with a `static constexpr std::string_view name`.
#pragma once
#include <llava.hpp>
#include <memory>
#include <optional>
#include <string>

#include "../formats.hpp"
#include "random_model.hpp"

namespace bench {

template <class M, class B, class F>
struct choice {
  using model = M;
  using backend = B;
  using format = F;
  using policy = llava::policy_of<F>;
  using model_type = llava::pipeline<M, B, policy>;
  static inline const std::string name = name_of_weights<F>() + "/" + std::string(B::name);
};

/// The type of the weights in a checkpoint for F: F itself if files can hold it, else f16.
template <class F>
struct stored {
  using type = llava::f16;
};
template <llava::floating F>
struct stored<F> {
  using type = F;
};

inline llava::open_options options() {
  llava::open_options o;
  o.threads = chosen().threads;
  o.max_batch_tokens = 640;
  return o;
}

/// The folder for a subject: --model, or a random checkpoint in ./bench-models or the folder LLAVA_BENCH_MODELS.
template <class Subject>
std::string folder_for(const model_shape& shape) {
  if (!chosen().model.empty()) return chosen().model;
  const char* parent = std::getenv("LLAVA_BENCH_MODELS");
  return random_model::folder<typename stored<typename Subject::format>::type>(shape, parent ? parent : "bench-models");
}

/// Keeps the model of the last benchmark open, of any type.
inline std::shared_ptr<const void>& last_model() {
  static std::shared_ptr<const void> model;
  return model;
}

/// The subject's model. Only one model is open at a time, so that a program with many formats fits in memory.
template <class Subject>
llava::result<typename Subject::model_type> try_model_of(const model_shape& shape) {
  using model_type = typename Subject::model_type;
  static std::weak_ptr<const model_type> kept;
  static std::string kept_folder;
  const std::string folder = folder_for<Subject>(shape);
  if (auto open = kept.lock(); open && kept_folder == folder) return *open;
  last_model().reset();
  LLAVA_TRY(model, model_type::try_open(folder, options()));
  const auto shared = std::make_shared<const model_type>(std::move(model));
  kept = shared, kept_folder = folder, last_model() = shared;
  return *shared;
}

}  // namespace bench
