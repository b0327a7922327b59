// SPDX-License-Identifier: Apache-2.0
/// erase(model): a pipeline as a chat_model. try_open_erased opens one at once.
#pragma once
#include <memory>

#include <llava/chat_model.hpp>
#include <llava/pipeline/open.hpp>

LLAVA_BEGIN

namespace detail {

template <class M, class B, class P>
struct erased_session_of final : erased_session {
  session<M, B, P> s;
  explicit erased_session_of(session<M, B, P> made) : s(std::move(made)) {}

  result<answer> try_ask(std::span<const image> pictures, std::string_view question, text_callback on_text,
                         const generation_settings& settings, const generation_hooks& hooks) override {
    s.settings = settings, s.hooks = hooks;
    return s.try_ask(pictures, question, on_text);
  }
  result<answer> try_generate(std::string_view prompt, std::span<const image> pictures, text_callback on_text,
                              const generation_settings& settings, const generation_hooks& hooks) override {
    s.settings = settings, s.hooks = hooks;
    return s.try_generate(prompt, pictures, on_text);
  }
  result<std::vector<float>> try_logits(std::string_view prompt, std::span<const image> pictures) override {
    return s.try_logits(prompt, pictures);
  }
  const conversation_state& save() const override { return s.save(); }
  result<void> try_restore(conversation_state state) override { return s.try_restore(std::move(state)); }
  void truncate(std::size_t turns) override { s.truncate(turns); }
  std::unique_ptr<erased_session> fork() const override { return std::make_unique<erased_session_of>(s.fork()); }
};

template <class M, class B, class P>
struct erased_model_of final : erased_model {
  pipeline<M, B, P> model;
  explicit erased_model_of(pipeline<M, B, P> m) : model(std::move(m)) {}

  std::unique_ptr<erased_session> session() const override {
    return std::make_unique<erased_session_of<M, B, P>>(model.session());
  }
  result<std::string> try_prompt(std::span<const image> pictures, std::string_view question) const override {
    return model.try_prompt(pictures.size(), question);
  }
  std::vector<std::int32_t> encode(std::string_view prompt, bool has_images) const override {
    return prompt_ids(model.words(), model.description(), prompt, has_images);
  }
  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override {
    return model.words().decode(ids, skip_special);
  }
  result<std::vector<float>> try_pixels(const image& picture) const override { return model.try_pixels(picture); }
  result<std::vector<float>> try_features(const image& picture) const override { return model.try_features(picture); }
  result<std::vector<float>> try_image_tokens(const image& picture) const override {
    return model.try_image_tokens(picture);
  }
  stage_shapes shapes() const override {
    const auto& s = model.state();
    if (!s.stages.tower) return {0, 0, 0, 0, s.stages.text->config().hidden};
    const vision_config& v = s.stages.tower->config();
    return {v.image, v.features(), v.hidden, s.stages.projector->rows(v.features()), s.stages.text->config().hidden};
  }
  chat_description description() const override {
    const conversation_choice& c = model.description().conversation;
    return {c.name, c.reason, c.guessed, rules_in_force({}, model.description().generation)};
  }
  std::string_view backend() const override { return B::name; }
  int vocab() const override { return model.state().stages.text->vocab(); }
};

}  // namespace detail

/// Any pipeline as a chat_model.
template <class M, class B, class P>
chat_model erase(pipeline<M, B, P> model) {
  return chat_model(std::make_shared<detail::erased_model_of<M, B, P>>(std::move(model)));
}

/// Opens a pipeline as a chat_model.
template <class M, class B, class F>
result<chat_model> try_open_erased(path_view folder, const open_options& options, const B& backend = {}) {
  LLAVA_TRY(model, try_open<M, B, F>(folder, options, backend));
  return guarded([&]() -> result<chat_model> { return erase(std::move(model)); });
}

LLAVA_END
