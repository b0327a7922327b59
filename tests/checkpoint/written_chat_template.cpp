// SPDX-License-Identifier: Apache-2.0
/// Conversation templates written as Jinja: the prompts are those of the templates themselves, which other tests
/// compare with LLaVA's program.
#include <llava/checkpoint/written_chat_template.hpp>
#include <llava/text/chat_conversation.hpp>

#include <string>
#include <vector>

#include <llava_catch.hpp>

namespace {
using namespace llava;

std::string expected_prompt(const char* name, const std::vector<message>& turns) {
  auto p = try_prompt(*any_conversation::try_named(name), turns);
  if (!p) FAIL(p.error().what());
  return *p;
}
}  // namespace

TEST_CASE("a written chat template builds the prompts of its conversation template") {
  const std::vector<std::vector<message>> conversations = {
      {{role::user, "<image>\nWhat is \"it\"?\nBe brief."}, {role::assistant, ""}},
      {{role::user, "One."}, {role::assistant, "Two."}, {role::user, "Three \\ four"}, {role::assistant, ""}},
      {{role::system, "Say \"yes\"."},
       {role::user, "One."},
       {role::assistant, "Two."},
       {role::user, "x"},
       {role::assistant, ""}},
      {{role::system, ""},
       {role::user, " white space \n"},
       {role::assistant, "\tTwo. "},
       {role::user, "  "},
       {role::assistant, ""}}};
  for (const char* name :
       {"vicuna_v1", "v1", "llava_v1", "llava_v0", "llava_llama_2", "llama_2", "mistral_instruct", "chatml_direct",
        "mistral_direct", "mpt", "qwen_1_5", "qwen_2", "qwen_2_5", "llava_llama_3"}) {
    const auto text = written_chat_template(name);
    REQUIRE(text);
    for (const auto& turns : conversations) {
      INFO(name << ", " << turns.size() << " turns\n" << *text);
      const chat_conversation written({*text, "a test", true}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
      const auto prompt = written.try_prompt(turns);
      if (!prompt) FAIL(prompt.error().what());
      CHECK(*prompt == expected_prompt(name, turns));
    }
    const chat_conversation written({*text, "a test", true}, {});
    CHECK_FALSE(written.try_prompt(std::vector<message>{{role::user, "a"}, {role::tool, "b"}}));
  }
}

TEST_CASE("templates that Jinja cannot express have none") {
  for (const char* name : {"v0", "default", "v0_mmtag", "v1_mmtag", "plain", "v0_plain", "unknown", "chat_template"})
    CHECK_FALSE(written_chat_template(name));
}
