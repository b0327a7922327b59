// SPDX-License-Identifier: Apache-2.0
/// The work of a model's stages in FLOPs and bytes, computed from the names and shapes of its weights.
#pragma once
#include <llava.hpp>

#include "../formats.hpp"

namespace bench {

/// Number of elements of a model's matrices that take part in products.
struct amounts {
  double layers = 0;  // of the language model's layers
  double head = 0;    // of its head
  double vision = 0;  // of the tower's layers and patch convolution
  double projector = 0;
};

template <class State>
amounts amounts_of(State& state) {
  amounts a;
  state.stages.text->each([&](const std::string& name, auto&, const llava::tensor_dims& dims) {
    if (dims.rank < 2 || name.find("embed_tokens") != std::string::npos) return;
    (name.find("lm_head") != std::string::npos ? a.head : a.layers) += static_cast<double>(dims.size());
  });
  if (state.stages.text->config().tied) a.head = 1. * state.stages.text->vocab() * state.stages.text->config().hidden;
  if (!state.stages.tower) return a;
  state.stages.tower->each([&](const std::string& name, auto&, const llava::tensor_dims& dims) {
    if (dims.rank >= 2 && name.find("position") == std::string::npos) a.vision += static_cast<double>(dims.size());
  });
  state.stages.projector->each([&](const std::string&, auto&, const llava::tensor_dims& dims) {
    if (dims.rank >= 2) a.projector += static_cast<double>(dims.size());
  });
  return a;
}

/// Number of bytes of `weights` weights in format F.
template <class F>
double bytes_of(double weights) {
  return weights * static_cast<double>(llava::format<F>::bytes(256, 4096)) / (256. * 4096.);
}

template <class P, class State>
work encode_work(State& state) {
  const amounts a = amounts_of(state);
  const llava::vision_config& v = state.stages.tower->config();
  const double tokens = v.tokens(), attention = 4. * tokens * tokens * v.hidden * v.layers_run();
  return {2. * tokens * a.vision + attention + 2. * v.features() * a.projector,
          bytes_of<typename P::vision>(a.vision) + bytes_of<typename P::projector>(a.projector),
          arithmetic_of<typename P::vision>()};
}

/// The work of `tokens` new rows after `past` cached ones, with one row of logits.
template <class P, class State>
work step_work(State& state, double tokens, double past) {
  const amounts a = amounts_of(state);
  const llava::text_config& t = state.stages.text->config();
  const double seen = tokens * past + tokens * (tokens + 1) / 2;  // keys, over all rows
  const double kv = 2. * t.kv_heads * t.head_dim * t.layers * sizeof(typename P::kv_cache);
  return {2. * tokens * a.layers + 2. * a.head + 4. * seen * t.heads * t.head_dim * t.layers,
          bytes_of<typename P::text>(a.layers) + bytes_of<typename P::head>(a.head) + kv * (past + tokens),
          arithmetic_of<typename P::text>()};
}

}  // namespace bench
