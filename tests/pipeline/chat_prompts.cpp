// SPDX-License-Identifier: Apache-2.0
/// A folder's chat template gives transformers' prompts and ids (tests/oracle/chat_prompts.py).
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/text/of_checkpoint.hpp>

#include <llava_catch.hpp>

namespace {

using llava::json_value, llava::message, llava::role;

const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", text_llama = LLAVA_TEST_DATA "/goldens/text_llama";

std::vector<message> turns_of(const json_value& list, bool has_images) {
  std::vector<message> turns;
  for (const json_value& t : list.items()) {
    const std::string& name = *t.items()[0].text();
    const role who = name == "user"        ? role::user
                     : name == "assistant" ? role::assistant
                     : name == "system"    ? role::system
                                           : role::tool;
    turns.push_back({who, *t.items()[1].text(), has_images ? static_cast<int>(*t.items()[2].integer()) : 0});
  }
  turns.push_back({role::assistant, {}, 0});
  return turns;
}
llava::tokenizer tokenizer_of(const std::string& folder) {
  auto opened = llava::try_open_tokenizer(folder);
  if (!opened) FAIL(opened.error().what());
  return *std::move(opened);
}

llava::chat_conversation conversation(std::string text, bool parts_first = true) {
  return {{std::move(text), "the chat template", parts_first}, {{"bos_token", "<s>"}, {"eos_token", "</s>"}}};
}
std::string prompt_of(std::string text, std::vector<message> turns, bool parts_first = true) {
  const auto prompt = conversation(std::move(text), parts_first).try_prompt(turns);
  return prompt ? *prompt : prompt.error().sentence();
}

}  // namespace

TEST_CASE("a folder's chat template gives transformers' prompts and ids") {
  const auto json = llava::json_document::try_read(LLAVA_TEST_DATA "/text/chat_prompts.json");
  REQUIRE(json);
  const auto described = llava::try_describe_model(tiny), alone = llava::try_describe_model(text_llama);
  REQUIRE(described);
  REQUIRE(alone);
  const llava::tokenizer words = tokenizer_of(tiny), words_alone = tokenizer_of(text_llama);
  CHECK(described->conversation.name == "chat_template");
  CHECK(described->conversation.reason == "the folder has one in chat_template.jinja");
  CHECK_FALSE(described->conversation.guessed);
  std::size_t prompts = 0, ids_compared = 0;
  for (const json_value& r : json->value().find("prompts")->items()) {
    const bool has_images = *r.find("folder")->text() == "tiny";
    const json_value* known = json->value().find("templates")->find(*r.find("template")->text());
    const std::string text = known ? *known->text() : described->conversation.own.text;
    const auto turns = turns_of(*r.find("turns"), has_images);
    const auto prompt = conversation(text, has_images).try_prompt(turns);
    INFO(*r.find("template")->text() << ": " << turns[0].text);
    ++prompts;
    if (r.find("prompt")->is_null()) {
      CHECK_FALSE(prompt);
      continue;
    }
    REQUIRE(prompt);
    CHECK(*prompt == *r.find("prompt")->text());
    std::size_t images = 0;
    for (const message& t : turns) images += llava::images_in(t);
    if (images == 0 && prompt->find("<image>") != std::string::npos)
      continue;  // without images, <image> is text here and not a token (R10)
    std::vector<std::int32_t> ids;
    for (const json_value& id : r.find("ids")->items()) ids.push_back(static_cast<std::int32_t>(*id.integer()));
    CHECK(llava::prompt_ids(has_images ? words : words_alone, has_images ? *described : *alone, *prompt, images > 0,
                            true) == ids);
    ++ids_compared;
  }
  CHECK(prompts == 84);
  CHECK(ids_compared >= 55);
}

TEST_CASE("the bundled model's chat template equals vicuna_v1 byte for byte") {
  const auto text = llava::try_read_text_file(tiny + "/chat_template.jinja");
  REQUIRE(text);
  const llava::chat_conversation own = conversation(*text);
  for (const char* question : {"What?", "<image>\nWhat?", "<image>\n<image>\nWhat?", "<image>What?", "a <image> b",
                               " spaces \n", "", "<image>\n", "漢字 </s>"})
    for (const bool system : {false, true})
      for (int turns = 1; turns < 4; ++turns) {
        std::vector<message> all;
        if (system) all.push_back({role::system, "Be brief."});
        for (int i = 0; i < turns; ++i) {
          all.push_back({role::user, question});
          all.push_back({role::assistant, i + 1 < turns ? "An answer." : ""});
        }
        INFO(question);
        CHECK(*own.try_prompt(all) == *llava::try_prompt(llava::vicuna_v1{}, all));
        all.back().text = "Said.";  // no turn is left to answer
        CHECK(*own.try_prompt(all) == *llava::try_prompt(llava::vicuna_v1{}, all));
      }
  CHECK(own.try_prompt(std::vector<message>{{role::tool, "x"}}).error().sentence().find("no turns of the role tool") !=
        std::string::npos);
}

TEST_CASE("a template that accepts only texts gets texts, one that accepts only parts gets parts") {
  const std::string texts = "{% for m in messages %}{{ m.role + ' ' + m.content + ';' }}{% endfor %}",
                    printed = "{% for m in messages %}{{ m.role }} {{ m.content }};{% endfor %}",
                    trimmed = "{% for m in messages %}{{ m.content | trim }};{% endfor %}",
                    parts =
                        "{% for m in messages %}{% for c in m.content | selectattr('type', 'equalto', 'text') %}{{ "
                        "c.text }}{% endfor %}{% endfor %}",
                    images =
                        "{% for m in messages %}{% for c in m.content %}{{ '<image>' if c.type == 'image' else c.text "
                        "}}{% endfor %}{% endfor %}";
  const std::vector<message> seen{{role::user, "<image>\nWhat?"}, {role::assistant, ""}},
      said{{role::user, "What?"}, {role::assistant, ""}};
  for (const bool parts_first : {true, false}) {
    CHECK(prompt_of(texts, seen, parts_first) == "user <image>\nWhat?;");
    CHECK(prompt_of(printed, seen, parts_first) == "user <image>\nWhat?;");
    CHECK(prompt_of(trimmed, seen, parts_first) == "<image>\nWhat?;");
    CHECK(prompt_of(images, seen, parts_first) == "<image>What?");
    CHECK(prompt_of(parts, said, parts_first) == "What?");
    CHECK(prompt_of(texts, said, parts_first) == "user What?;");
  }
}

TEST_CASE("an unsupported template is an error of the prompt that names the feature; so is a template's exception") {
  const std::vector<message> turns{{role::user, "What?"}, {role::assistant, ""}};
  CHECK(prompt_of("a\n{% include 'x' %}", turns) ==
        "llava: the chat template: line 2: the tag 'include' is not supported");
  CHECK(prompt_of("{{ messages | groupby('role') }}", turns) ==
        "llava: the chat template: line 1: the filter 'groupby' is not supported");
  CHECK(prompt_of("{{ raise_exception('No.') }}", turns) == "llava: the chat template refuses this conversation: No.");
  CHECK(prompt_of("{{ messages[0].content + raise_exception('No.') }}", turns) ==
        "llava: the chat template refuses this conversation: No.");
  CHECK(prompt_of("constant", turns) == "constant");
}

TEST_CASE("of_checkpoint is the model's own template until the folder or the caller selects one") {
  const std::vector<message> turns{{role::user, "Q"}, {role::assistant, ""}};
  llava::of_checkpoint<llava::llava_v0> c;
  CHECK(c.name() == "llava_v0");
  CHECK(*llava::try_prompt(c, turns) == *llava::try_prompt(llava::llava_v0{}, turns));
  c.choose(conversation("{{ messages[0].role }}{{ messages[0].content[0].text }}"));
  CHECK(c.name() == "chat_template");
  CHECK(*llava::try_prompt(c, turns) == "userQ");
  CHECK(llava::stop_string(c).empty());
  CHECK_FALSE(c.choose("nonsense"));
  CHECK(c.name() == "chat_template");
  CHECK(c.choose("mpt"));
  CHECK(c.name() == "mpt");
  CHECK(llava::stop_string(c) == "<|im_end|>");
}
