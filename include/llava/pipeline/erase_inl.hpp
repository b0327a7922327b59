// SPDX-License-Identifier: Apache-2.0
/// Definitions of erase.hpp.
#pragma once
#include <memory>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/pipeline/erase.hpp>
#include <llava/pipeline/generation.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/session.hpp>

LLAVA_BEGIN

namespace detail {

struct erased_session_of final : erased_session {
  session s;
  explicit erased_session_of(session made) : s(std::move(made)) {}

  void set(const generation_settings& settings, const generation_hooks& hooks,
           const std::shared_ptr<const adapter>& adapter) override {
    s.settings = settings, s.hooks = hooks, s.adapter = adapter;
  }
  result<answer> try_ask(std::span<const image> images, std::string_view question, text_callback on_text) override {
    return s.try_ask(images, question, on_text);
  }
  result<answer> try_ask(const video& frames, std::string_view question, text_callback on_text) override {
    return s.try_ask(frames, question, on_text);
  }
  result<answer> try_generate(std::string_view prompt, std::span<const image> images, text_callback on_text) override {
    return s.try_generate(prompt, images, on_text);
  }
  result<std::vector<float>> try_logits(std::string_view prompt, std::span<const image> images) override {
    return s.try_logits(prompt, images);
  }
  const conversation_state& save() const override { return s.save(); }
  result<void> try_restore(conversation_state state) override { return s.try_restore(std::move(state)); }
  void truncate(std::size_t turns) override { s.truncate(turns); }
  std::unique_ptr<erased_session> fork() const override { return std::make_unique<erased_session_of>(s.fork()); }
};

struct erased_model_of final : erased_model {
  std::shared_ptr<const opened_model> model;
  load_adapter_hook load;
  erased_model_of(std::shared_ptr<const opened_model> m, load_adapter_hook l)
      : model(std::move(m)), load(std::move(l)) {}

  std::unique_ptr<erased_session> session() const override {
    return std::make_unique<erased_session_of>(llava::session(model));
  }
  result<std::shared_ptr<const adapter>> try_load_adapter(std::string_view folder) const override {
    return guarded([&]() -> result<std::shared_ptr<const adapter>> {
      if (load) return load(folder);
      return fail(errc::unsupported,
                  text_of("llava: ", folder, ": this model was opened on ", model->backend_name(),
                          ", which has no live adapters; open it on adapted<B> (llava/backend/adapted.hpp)"));
    });
  }
  result<std::string> try_prompt(std::span<const image> images, std::string_view question) const override {
    return model->try_first_prompt(images.size(), question);
  }
  std::vector<std::int32_t> encode(std::string_view prompt, bool has_images) const override {
    return prompt_ids(model->opened.tokenizer, model->opened.description, prompt, has_images);
  }
  std::string decode(std::span<const std::int32_t> ids, bool skip_special) const override {
    return model->opened.tokenizer.decode(ids, skip_special);
  }
  result<void> try_keep_cache() const override { return model->try_keep_cache(); }
  result<int> try_count_image_tokens(int width, int height) const override {
    LLAVA_TRY(plan, model->try_plan(width, height));
    return plan.tokens;
  }
  result<std::vector<float>> try_pixels(const image& img) const override { return model->try_pixels(img); }
  result<std::vector<float>> try_features(const image& img) const override { return model->try_features_of(img); }
  result<std::vector<float>> try_image_tokens(const image& img) const override { return model->try_image_tokens(img); }
  stage_shapes shapes() const override { return model->shapes(); }
  chat_description description() const override {
    const model_description& d = model->opened.description;
    return {d.conversation.name, d.conversation.reason, d.conversation.guessed, effective_rules({}, d.generation),
            d.has_video,         d.video.force_sample};
  }
  std::shared_ptr<const opened_model> shared() const override { return model; }
  std::string_view backend() const override { return model->backend_name(); }
  int vocab() const override { return model->vocab(); }
};

}  // namespace detail

LLAVA_INLINE chat_model erase(std::shared_ptr<const opened_model> model, load_adapter_hook load) {
  return chat_model(std::make_shared<detail::erased_model_of>(std::move(model), std::move(load)));
}

LLAVA_END
