// SPDX-License-Identifier: Apache-2.0
/// Live adapters of a whole model against peft, merged adapters, and each other.
#include <allocations.hpp>
#include <closeness.hpp>
#include <llava/checkpoint/safetensors.hpp>

#include <set>

#include "adapted_model.hpp"
#include "backend/remote.hpp"

using namespace adapters;

namespace {

std::vector<float> peft_logits(const std::string& name) {
  const auto file = safetensors_file::try_open(folder + "logits.safetensors").value();
  const stored_tensor& t = *file.find(name);
  std::vector<float> v(t.bytes.size() / sizeof(float));
  std::memcpy(v.data(), t.bytes.data(), t.bytes.size());
  return v;
}
std::vector<float> last(const std::vector<float>& all, std::size_t n) {
  return {all.end() - static_cast<std::ptrdiff_t>(n), all.end()};
}

// [example]
/// Answers a question with an adapter, and a prompt with and without it in one batch.
std::vector<result<answer>> answer_with(const std::string& adapter_folder, const std::string& prompt) {
  const auto model = llava::open<llava::any, llava::adapted<llava::simd>, llava::f16>(base);
  auto chat = model.session();
  chat.adapter = llava::load_adapter(model, adapter_folder);  // as PEFT saves it
  chat.ask("How are you today?");

  auto answers = model.batch();
  answers.try_add(prompt, {}, {}, {}, chat.adapter).value();
  answers.try_add(prompt, {}).value();
  return answers.try_run().value();
}
// [example]

}  // namespace

TEST_CASE("the example in docs/adapters.md answers", "[pipeline]") {
  const auto answers = answer_with(folder + "all", "How are you today?");
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].value().tokens != answers[1].value().tokens);
}

TEST_CASE("R19: a live adapter computes what peft computes, and what the merged adapter computes", "[pipeline]") {
  const auto model = open_on<live, f32>();
  const std::vector<float> none = logits(model);
  CHECK(largest_error(last(none, peft_logits("none").size()), peft_logits("none")) <= 1e-4);
  for (const std::string& name : names) {
    INFO(name);
    const auto with = logits(model, load(model, name));
    const auto expected = peft_logits(name);
    CHECK(largest_error(last(with, expected.size()), expected) <= 1e-4);
    CHECK(largest_error(with, none) > 0.05);

    CHECK(largest_error(with, logits(open_on<simd, f32>(folder + name, {}, base))) <= 1e-3);
  }
}

TEST_CASE("a live adapter works on a device whose ops run later", "[pipeline]") {
  const auto model = open_on<adapted<remote>, f32>();
  for (const std::string& name : names) {
    const auto expected = peft_logits(name);
    CHECK(largest_error(last(logits(model, load(model, name)), expected.size()), expected) <= 1e-4);
  }
  CHECK(largest_error(last(logits(model), peft_logits("none").size()), peft_logits("none")) <= 1e-4);
}

TEMPLATE_TEST_CASE("without an adapter an adapted backend has the bytes of the plain one", "[pipeline]", f16, q4_0) {
  const auto model = open_on<live, TestType>();
  CHECK(same_bytes(logits(model), logits(open_on<simd, TestType>())));
}

TEST_CASE("R14: answers of a batch with three adapters and none have the bytes of single ones", "[pipeline]") {
  const auto model = open_on<live, f32>();
  std::vector<std::shared_ptr<const adapter>> with{nullptr};
  for (const std::string& name : names) with.push_back(load(model, name));
  const question q = one();
  generation_settings settings;
  settings.max_new_tokens = 10, settings.ignore_eos = true, settings.logprobs = true;
  std::vector<answer> alone;
  for (const auto& a : with) {
    auto chat = model.session();
    chat.settings = settings;
    chat.adapter = a;
    alone.push_back(chat.try_generate(q.prompt, q.images).value());
    for (std::size_t i = 0; i + 1 < alone.size(); ++i) CHECK(!same_bytes(alone[i].logprobs, alone.back().logprobs));
  }
  auto all = model.batch();
  const std::size_t order[] = {1, 2, 0, 3, 1, 3, 2, 0, 1};
  for (const std::size_t i : order) REQUIRE(all.try_add(q.prompt, q.images, settings, {}, with[i]));
  const auto answers = all.try_run().value();
  REQUIRE(answers.size() == std::size(order));
  for (std::size_t row = 0; row < answers.size(); ++row) {
    INFO("row " << row);
    REQUIRE(answers[row]);
    CHECK(answers[row]->tokens == alone[order[row]].tokens);
    CHECK(same_bytes(answers[row]->logprobs, alone[order[row]].logprobs));
  }
}

TEST_CASE("decode with an adapter allocates nothing between one token and the next", "[pipeline]") {
  const auto model = open_on<live, f32>();
  auto chat = model.session();
  chat.adapter = load(model, "all");
  chat.settings.ignore_eos = true;
  chat.settings.max_new_tokens = 40;
  std::vector<long> at;
  at.reserve(100);
  const auto count = [&](std::string_view) { at.push_back(allocations::made.load()); };
  CHECK(chat.try_generate("How are you today?", {}, count));
  REQUIRE(at.size() >= 40);
  for (std::size_t i = 20; i < 39; ++i) CHECK(at[i] == at[i - 1]);  // the last token ends the answer
}

TEST_CASE("a session that changes its adapter computes its conversation again", "[pipeline]") {
  const auto model = open_on<live, f32>();
  const auto first = load(model, "attention"), second = load(model, "mlp");
  const question q = one();
  const auto ask = [&](session& chat) {
    chat.settings.max_new_tokens = 8, chat.settings.ignore_eos = true, chat.settings.logprobs = true;
    return chat.try_generate(q.prompt, q.images).value();
  };
  const auto fresh = [&](const std::shared_ptr<const adapter>& with) {
    auto chat = model.session();
    chat.adapter = with;
    return ask(chat);
  };
  auto chat = model.session();
  CHECK(same_bytes(ask(chat).logprobs, fresh(nullptr).logprobs));
  std::set<const adapter*> seen = {nullptr};
  for (const auto& with : {first, second, first, {}, second}) {
    const bool is_new = seen.insert(with.get()).second;
    chat.adapter = with;
    auto twin = chat.fork();
    const answer changed = ask(chat), again = ask(chat), forked = ask(twin), expected = fresh(with);
    CHECK((changed.reused_tokens == 0) == is_new);  // nothing of another adapter is reused
    CHECK(forked.reused_tokens > 0);
    CHECK(again.reused_tokens > 0);
    CHECK(same_bytes(changed.logprobs, expected.logprobs));
    CHECK(same_bytes(again.logprobs, expected.logprobs));
    CHECK(same_bytes(forked.logprobs, expected.logprobs));
    auto same = chat.fork();
    CHECK(ask(same).reused_tokens > 0);
    CHECK(same.adapter == with);
  }
}
