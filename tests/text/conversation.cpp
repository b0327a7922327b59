// SPDX-License-Identifier: Apache-2.0
// Conversation templates. The expected texts are the output of haotian-liu/LLaVA's conversation.py, typed out.
#include <string>
#include <vector>

#include <llava/text/conversation.hpp>
#include <llava_catch.hpp>

namespace {

using llava::message, llava::role;

const std::string human =
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the human's questions.";
const std::string user =
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives "
    "helpful, detailed, and polite answers to the user's questions.";
const std::string tagged =
    "A chat between a curious user and an artificial intelligence assistant. The assistant is able to "
    "understand the visual content that the user provides, and assist the user with a variety of tasks "
    "using natural language.The visual content will be provided with the following format: <Image>visual "
    "content</Image>.";
const std::string language_and_vision =
    "You are a helpful language and vision assistant. You are able to understand the visual content that "
    "the user provides, and assist the user with a variety of tasks using natural language.";
const std::string safety =
    "You are a helpful, respectful and honest assistant. Always answer as helpfully as possible, while "
    "being safe.  Your answers should not include any harmful, unethical, racist, sexist, toxic, "
    "dangerous, or illegal content. Please ensure that your responses are socially unbiased and positive "
    "in nature.\n\nIf a question does not make any sense, or is not factually coherent, explain why "
    "instead of answering something not correct. If you don't know the answer to a question, please "
    "don't share false information.";
const std::string energy_question = "What are the key differences between renewable and non-renewable energy sources?";
const std::string energy_answer =
    "Renewable energy sources are those that can be replenished naturally in a relatively short amount "
    "of time, such as solar, wind, hydro, geothermal, and biomass. Non-renewable energy sources, on the "
    "other hand, are finite and will eventually be depleted, such as coal, oil, and natural gas. Here "
    "are some key differences between renewable and non-renewable energy sources:\n1. Availability: "
    "Renewable energy sources are virtually inexhaustible, while non-renewable energy sources are finite "
    "and will eventually run out.\n2. Environmental impact: Renewable energy sources have a much lower "
    "environmental impact than non-renewable sources, which can lead to air and water pollution, "
    "greenhouse gas emissions, and other negative effects.\n3. Cost: Renewable energy sources can be "
    "more expensive to initially set up, but they typically have lower operational costs than "
    "non-renewable sources.\n4. Reliability: Renewable energy sources are often more reliable and can be "
    "used in more remote locations than non-renewable sources.\n5. Flexibility: Renewable energy sources "
    "are often more flexible and can be adapted to different situations and needs, while non-renewable "
    "sources are more rigid and inflexible.\n6. Sustainability: Renewable energy sources are more "
    "sustainable over the long term, while non-renewable sources are not, and their depletion can lead "
    "to economic and social instability.\n";

const std::vector<message> turns{
    {role::user, "<image>\nQ1"}, {role::assistant, "A1"}, {role::user, "Q2"}, {role::assistant, ""}};

std::string prompt_of(std::string_view name, const std::vector<message>& t = turns) {
  const auto found = llava::any_conversation::try_named(name);
  REQUIRE(found);
  CHECK(found->name() == name);
  return llava::prompt(*found, t);
}

struct bare : llava::llava_llama_2 {
  [[maybe_unused]] static constexpr std::string_view name = "bare", system = "", separator = "[I";
};

}  // namespace

TEST_CASE("templates of style two: vicuna_v1, v1, llava_v1, v1_mmtag") {
  const std::string rest = " USER: <image>\nQ1 ASSISTANT: A1</s>USER: Q2 ASSISTANT:";
  CHECK(prompt_of("v1") == user + rest);
  CHECK(prompt_of("vicuna_v1") == user + rest);
  CHECK(prompt_of("llava_v1") == human + rest);
  CHECK(prompt_of("v1_mmtag") == tagged + rest);
}

TEST_CASE("templates of style single: llava_v0, v0_mmtag, and default and v0 with their demonstration") {
  const std::string rest = "###Human: <image>\nQ1###Assistant: A1###Human: Q2###Assistant:";
  CHECK(prompt_of("llava_v0") == human + rest);
  CHECK(prompt_of("v0_mmtag") == tagged + rest);
  const std::string demonstration = "###Human: " + energy_question + "###Assistant: " + energy_answer;
  CHECK(prompt_of("default") == human + demonstration + rest);
  CHECK(prompt_of("v0") == human + demonstration + rest);
}

TEST_CASE("templates of style llama_2: llava_llama_2, llama_2, mistral_instruct") {
  const std::string rest = "<image>\nQ1 [/INST] A1 </s><s>[INST] Q2 [/INST]";
  CHECK(prompt_of("llava_llama_2") == "[INST] <<SYS>>\n" + language_and_vision + "\n<</SYS>>\n\n" + rest);
  CHECK(prompt_of("llama_2") == "[INST] <<SYS>>\n" + safety + "\n<</SYS>>\n\n" + rest);
  CHECK(prompt_of("mistral_instruct") == "[INST] <image>\nQ1 [/INST] A1 </s>[INST] Q2 [/INST]");
}

TEST_CASE("templates of style mpt: chatml_direct, mistral_direct, mpt") {
  const std::string rest =
      "<|im_end|><|im_start|>user\n<image>\nQ1<|im_end|><|im_start|>assistant\nA1<|im_end|><|im_start|>user\nQ2<|im_"
      "end|>"
      "<|im_start|>assistant\n";
  CHECK(prompt_of("chatml_direct") == "<|im_start|>system\nAnswer the questions." + rest);
  CHECK(prompt_of("mistral_direct") == "<|im_start|>system\nAnswer the questions." + rest);
  CHECK(prompt_of("mpt") ==
        "<|im_start|>system\nA conversation between a user and an LLM-based AI assistant. The assistant gives helpful "
        "and honest answers." +
            rest);
}

TEST_CASE("templates of style chatml: qwen_1_5, qwen_2, qwen_2_5") {
  const std::string rest =
      "<|im_end|>\n<|im_start|>user\n<image>\nQ1<|im_end|>\n<|im_start|>assistant\nA1<|im_end|>\n"
      "<|im_start|>user\nQ2<|im_end|>\n<|im_start|>assistant\n";
  const std::string assistant = "<|im_start|>system\nYou are a helpful assistant.";
  CHECK(prompt_of("qwen_1_5") == assistant + rest);
  CHECK(prompt_of("qwen_2") == assistant + rest);
  CHECK(prompt_of("qwen_2_5") ==
        "<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant." + rest);
  std::vector<message> without = turns;
  without.insert(without.begin(), {role::system, ""});
  CHECK(prompt_of("qwen_1_5", without) == rest.substr(rest.find('\n') + 1));
  CHECK(llava::stop_string(llava::qwen_1_5{}) == "<|im_end|>");
}

TEST_CASE("the template llava_llama_3 is Llama 3's own chat template with a prompt for the answer") {
  const auto turn = [](const std::string& who, const std::string& text) {
    return "<|start_header_id|>" + who + "<|end_header_id|>\n\n" + text + "<|eot_id|>";
  };
  const std::string open = "<|begin_of_text|>" + turn("system", language_and_vision) + turn("user", "<image>\nQ1"),
                    asks = "<|start_header_id|>assistant<|end_header_id|>\n\n";
  CHECK(prompt_of("llava_llama_3") == open + turn("assistant", "A1") + turn("user", "Q2") + asks);
  const std::vector<message> answered{{role::user, " <image>\nQ1\n"}, {role::assistant, "\tA1"}};
  CHECK(prompt_of("llava_llama_3", answered) == open + turn("assistant", "A1") + asks);
  const auto found = llava::any_conversation::try_named("llava_llama_3");
  CHECK(found->form().stop_token == "<|eot_id|>");
  CHECK(llava::any_conversation::try_named("qwen_2")->form().stop_token.empty());
}

TEST_CASE("the template plain has only the texts") {
  const std::vector<message> one{{role::user, "<image>\nQ1"}};
  CHECK(prompt_of("plain", one) == "<image>\nQ1\n");
  CHECK(prompt_of("v0_plain", one) == "<image>\nQ1\n");
}

TEST_CASE("an image at the start goes into the first text, or into a turn of its own where images are tagged") {
  std::vector<message> typed = turns;
  for (const char* text : {"Q1", " \n Q1<image>\t", "<image>Q<image>1\u3000"}) {
    typed[0].text = text;
    CHECK(llava::prompt(llava::vicuna_v1{}, llava::with_image(llava::vicuna_v1{}, typed)) == prompt_of("vicuna_v1"));
  }
  const std::vector<message> one{{role::user, "Q1"}, {role::assistant, ""}};
  CHECK(llava::prompt(llava::v1_mmtag{}, llava::with_image(llava::v1_mmtag{}, one)) ==
        tagged + " USER: <Image><image></Image> ASSISTANT: Received.</s>USER: Q1 ASSISTANT:");
  llava::any_conversation any = llava::v0_mmtag{};
  CHECK(llava::prompt(any, llava::with_image(any, one)) ==
        tagged + "###Human: <Image><image></Image>###Assistant: Received.###Human: Q1###Assistant:");
  CHECK(llava::with_image(llava::vicuna_v1{}, {}).empty());
}

TEST_CASE("stop strings: the second separator of style two, the separator of the others") {
  const auto stop = [](std::string_view name) { return llava::stop_string(*llava::any_conversation::try_named(name)); };
  CHECK(stop("vicuna_v1") == "</s>");
  CHECK(stop("llava_v0") == "###");
  CHECK(stop("mpt") == "<|im_end|>");
  CHECK(stop("llava_llama_2") == "<s>");
  CHECK(stop("mistral_instruct").empty());
  CHECK(stop("plain") == "\n");
}

TEST_CASE("an unknown template is an error that names the known ones") {
  const auto none = llava::any_conversation::try_named("mistral_orca");
  REQUIRE(!none);
  CHECK(none.error().code() == llava::errc::not_found);
  CHECK(none.error().sentence().find("'mistral_orca'") != std::string::npos);
  for (const char* known : {"vicuna_v1", "llava_v0", "chatml_direct", "plain"})
    CHECK(none.error().sentence().find(known) != std::string::npos);
  CHECK(llava::any_conversation().name() == "vicuna_v1");  // the reference's default
}

TEST_CASE("the command line selects the template by the model's name") {
  CHECK(llava::conversation_of_model("LLaVA-Llama-2-13b") == "llava_llama_2");
  CHECK(llava::conversation_of_model("llava-v1.6-mistral-7b") == "mistral_instruct");
  CHECK(llava::conversation_of_model("llava-v1.6-34b") == "chatml_direct");
  CHECK(llava::conversation_of_model("llava-v1.5-7b") == "llava_v1");
  CHECK(llava::conversation_of_model("LLaVA-MPT-7B") == "mpt");
  CHECK(llava::conversation_of_model("SkunkworksAI/BakLLaVA-1") == "llava_v1");
  CHECK(llava::conversation_of_model("tiny") == "llava_v0");
}

TEST_CASE("style llama_2 strips the characters of its separator from the front, as the reference does") {
  const std::vector<message> one{{role::user, "Q"}};
  CHECK(llava::prompt(bare{}, one) == "NST] Q [/INST]");
  CHECK(llava::prompt(llava::llava_llama_2{}, {}).empty());
}

TEST_CASE("a leading system turn replaces the template's own; other roles are errors that name them") {
  std::vector<message> with = turns;
  with.insert(with.begin(), {role::system, "Be brief."});
  CHECK(prompt_of("vicuna_v1", with) == "Be brief. USER: <image>\nQ1 ASSISTANT: A1</s>USER: Q2 ASSISTANT:");
  CHECK(prompt_of("llava_v0", with) == "Be brief.###Human: <image>\nQ1###Assistant: A1###Human: Q2###Assistant:");
  CHECK(prompt_of("mistral_instruct", with) ==
        "[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\n<image>\nQ1 [/INST] A1 </s>[INST] Q2 [/INST]");
  CHECK(prompt_of("chatml_direct", with).rfind("<|im_start|>system\nBe brief.<|im_end|><|im_start|>user\n<image>", 0) ==
        0);
  CHECK(prompt_of("v0", with).rfind("Be brief.###Human: What are the key", 0) == 0);
  std::vector<message> begun = with;
  begun[1].text = "Q1";
  CHECK(llava::prompt(llava::vicuna_v1{}, llava::with_image(llava::vicuna_v1{}, begun)) ==
        prompt_of("vicuna_v1", with));

  const auto error_of = [](const std::vector<message>& t) {
    return llava::try_prompt(llava::vicuna_v1{}, t).error().sentence();
  };
  CHECK(error_of({{role::user, "a"}, {role::tool, "b"}}) ==
        "llava: the conversation template vicuna_v1 has no turns of the role tool");
  CHECK(error_of({{role::user, "a"}, {role::system, "b"}}).find("no turns of the role system after the first") !=
        std::string::npos);
  CHECK(llava::prompt(llava::vicuna_v1{}, std::vector<message>{}) == user + " ");
}
