// SPDX-License-Identifier: Apache-2.0
/// The golden model clip_mha on a backend with adapters, and three adapters that peft has made of it
/// (tests/oracle/adapters.py).
#pragma once
#include <llava.hpp>
#include <llava/backend/adapted.hpp>
#include <llava/pipeline/load_adapter.hpp>
#include <llava_catch.hpp>

#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "goldens/golden.hpp"

namespace adapters {

using namespace llava;

inline const std::string base = golden::folder("clip_mha"), folder = LLAVA_TEST_DATA "/adapters/";
inline const std::vector<std::string> names = {"attention", "mlp", "all"};

inline open_options options() {
  open_options o;
  o.threads = 2;
  o.max_batch_tokens = 64;
  o.kv_tokens = 4096;
  return o;
}
template <class B, class F>
auto open_on(const std::string& where = base, const B& backend = {}, const std::string& model_base = {}) {
  open_options o = options();
  o.model_base = model_base;
  auto m = try_open<any, B, F>(where, o, backend);
  if (!m) FAIL(m.error().what());
  return *std::move(m);
}
template <class Model>
std::shared_ptr<const adapter> load(const Model& model, const std::string& name) {
  auto loaded = try_load_adapter(model, folder + name);
  if (!loaded) FAIL(loaded.error().what());
  return *std::move(loaded);
}
struct question {
  std::string prompt;
  std::vector<image> images;
};
/// Case "one": an image and a question.
inline question one() {
  const golden::record r("clip_mha");
  return {*r.cases().at(0).find("prompt")->text(), {r.test_image("wide")}};
}
inline std::vector<float> logits(session& chat, const question& q = one()) {
  auto l = chat.try_logits(q.prompt, q.images);
  if (!l) FAIL(l.error().what());
  return *std::move(l);
}
template <class Model>
std::vector<float> logits(const Model& model, const std::shared_ptr<const adapter>& with = {}) {
  auto chat = model.session();
  chat.adapter = with;
  return logits(chat);
}
inline bool same_bytes(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}
using live = adapted<simd>;

}  // namespace adapters
