// SPDX-License-Identifier: Apache-2.0
/// A chat_model behaves like its pipeline: a chat_session has every member of a session and gives the same answers.
#include "tiny_model.hpp"

using namespace tiny;

namespace {

template <class S>
concept has_all_of_a_session = requires(S s, const S& c, std::span<const llava::image> images, const llava::image& img,
                                        std::string_view text, llava::text_callback on_text,
                                        llava::conversation_state state) {
  s.settings.max_new_tokens;
  s.hooks.on_logits;
  { s.adapter } -> std::same_as<std::shared_ptr<const llava::adapter>&>;
  { s.try_ask(images, text, on_text) } -> std::same_as<llava::result<llava::answer>>;
  { s.try_ask(img, text) } -> std::same_as<llava::result<llava::answer>>;
  { s.try_ask(text) } -> std::same_as<llava::result<llava::answer>>;
  { s.try_generate(text, images, on_text) } -> std::same_as<llava::result<llava::answer>>;
  { s.try_logits(text, images) } -> std::same_as<llava::result<std::vector<float>>>;
  { c.save() } -> std::same_as<const llava::conversation_state&>;
  { s.try_restore(state) } -> std::same_as<llava::result<void>>;
  s.truncate(std::size_t{2});
  { c.fork() } -> std::same_as<S>;
  { s.ask(images, text, on_text) } -> std::same_as<llava::answer>;
  { s.ask(img, text) } -> std::same_as<llava::answer>;
  { s.ask(text) } -> std::same_as<llava::answer>;
  s.restore(state);
};
static_assert(has_all_of_a_session<llava::chat_session>);
static_assert(has_all_of_a_session<decltype(model().session())>);

}  // namespace

TEST_CASE("erase: a chat_session answers as the typed session does", "[pipeline]") {
  const llava::chat_model erased = llava::erase(model());
  auto plain = model().session();
  llava::chat_session chat = erased.session();
  chat.settings.max_new_tokens = plain.settings.max_new_tokens = 6;
  chat.settings.ignore_eos = plain.settings.ignore_eos = true;
  std::string streamed;
  const auto ask = [&](auto&&... words) {
    const auto expected = value(plain.try_ask(words...));
    const auto found = value(chat.try_ask(words...));
    CHECK(found.tokens == expected.tokens);
  };
  ask(test_image(1), "What is in the picture?");
  ask("How many shapes are there?");
  CHECK(chat.save().turns.size() == 4);
  CHECK(chat.save().images == plain.save().images);

  llava::chat_session other = erased.session();
  CHECK_FALSE(other.try_restore({chat.save().turns, {}}));
  other.restore(chat.save());
  other.truncate(2);
  llava::chat_session fork = other.fork();
  CHECK(fork.save().turns.size() == 2);
  const std::string prompt = *erased.try_prompt({}, "hello");
  CHECK(value(chat.try_generate(prompt, {}, [&](std::string_view t) { streamed += t; })).tokens ==
        value(plain.try_generate(prompt, {})).tokens);
  CHECK_FALSE(streamed.empty());
  CHECK(*chat.try_logits(prompt, {}) == *plain.try_logits(prompt, {}));
  CHECK_THROWS_AS(chat.restore({chat.save().turns, {}}), llava::error);
  const auto loaded = erased.try_load_adapter("an/adapter");
  REQUIRE_FALSE(loaded);
  CHECK(loaded.error().sentence() ==
        "llava: an/adapter: this model was opened on simd, which has no live adapters; open it on adapted<B> "
        "(llava/backend/adapted.hpp)");
}
