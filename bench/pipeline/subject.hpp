// SPDX-License-Identifier: Apache-2.0
/// What stages are benched with: a model type, a backend and weights. `choice<M, B, F>` names them; `F` is a format or
/// a policy of one's own with a `static constexpr std::string_view name`.
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

/// The type that a checkpoint for F is stored in: F itself where files can hold it.
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

/// The folder for a subject: --model, or a random one in ./bench-models (LLAVA_BENCH_MODELS names another place).
template <class Subject>
std::string folder_for(const model_shape& shape) {
  if (!chosen().model.empty()) return chosen().model;
  const char* parent = std::getenv("LLAVA_BENCH_MODELS");
  return random_model::folder<typename stored<typename Subject::format>::type>(shape, parent ? parent : "bench-models");
}

/// What keeps the model of the last benchmark open, whatever its type.
inline std::shared_ptr<const void>& last_model() {
  static std::shared_ptr<const void> model;
  return model;
}

/// The subject's model. One is open at a time, so that a program of many formats fits its machine.
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
