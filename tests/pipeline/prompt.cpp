// SPDX-License-Identifier: Apache-2.0
/// Where images go in a question, and how a folder with mm_use_im_start_end marks them.
#include <llava/checkpoint/tokenizer_files.hpp>
#include <temporary_folder.hpp>

#include "tiny_model.hpp"

namespace {

std::string placed(std::string_view question, std::size_t images, bool start_end = false) {
  const auto text = llava::try_place_images(question, images, start_end);
  return text ? *text : text.error().sentence();
}

}  // namespace

TEST_CASE("images come first, one per line, or where the question places them", "[pipeline]") {
  CHECK(placed("What?", 0) == "What?");
  CHECK(placed("What?", 2) == "<image>\n<image>\nWhat?");
  CHECK(placed("", 1) == "<image>\n");
  CHECK(placed("In <image>, what?", 1) == "In <image>, what?");
  CHECK(placed("<image-placeholder> or <image-placeholder>?", 2) == "<image> or <image>?");
  CHECK(placed("<image> or <image-placeholder>", 2) == "<image> or <image>");
  CHECK(placed("<image-placeholder", 1) == "<image>\n<image-placeholder");
  CHECK(placed("a word: <image-placeholder>", 0) == "a word: <image-placeholder>");
  CHECK(placed("<image-placeholder>", 2).find("1 <image> for 2 images") != std::string::npos);
}

TEST_CASE("with mm_use_im_start_end placed images are marked, and the tokenizer must have the marks", "[pipeline]") {
  CHECK(placed("What?", 1, true) == "<im_start><image><im_end>\nWhat?");
  CHECK(placed("see <image-placeholder>", 1, true) == "see <im_start><image><im_end>");
  CHECK(placed("see <image>", 1, true) == "see <image>");
  CHECK(placed("What?", 0, true) == "What?");

  temporary_folder f("start_end");
  f.copy(LLAVA_TEST_DATA "/goldens/original_inside");
  f.write("config.json",
          replaced(f.read("config.json"), "\"mm_use_im_start_end\": false", "\"mm_use_im_start_end\": true"));
  const auto refused = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sentence().find("has no <im_start> and <im_end>") != std::string::npos);

  // Two pieces of the vocabulary get these names: the embeddings have no spare rows.
  f.write("added_tokens.json", R"({"<im_start>": 398, "<im_end>": 399})");
  const auto model = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE(model);
  const std::string prompt = *model->try_prompt(1, "What?");
  CHECK(prompt.find("<im_start><image><im_end>\nWhat?") != std::string::npos);
  const auto ids = llava::prompt_ids(model->tokenizer(), model->description(), prompt, true);
  const auto at = std::find(ids.begin(), ids.end(), llava::image_token_index);
  REQUIRE((at != ids.begin() && at + 1 < ids.end()));
  CHECK(at[-1] == 398);
  CHECK(at[1] == 399);
}

TEST_CASE("<im_patch> is a token of the program; without a row for it a prompt with it is refused", "[pipeline]") {
  temporary_folder f("im_patch");
  f.copy(LLAVA_TEST_DATA "/goldens/original_inside");
  const std::string config = f.read("config.json"), key = "\"mm_use_im_patch_token\": false";
  for (const char* now : {"\"mm_use_im_patch_token\": true", "\"other\": true"}) {
    f.write("config.json", replaced(config, key, now));
    const auto model = tiny::model_type::try_open(f.path.string(), tiny::options());
    REQUIRE(model);
    CHECK(model->session().try_ask(tiny::test_image(0), "What?"));
    const auto refused = model->session().try_ask(tiny::test_image(0), "What <im_patch>?");
    REQUIRE_FALSE(refused);
    const std::string why = refused.error().sentence();
    CHECK(why.find("\"mm_use_im_patch_token\": false") != std::string::npos);
    CHECK(why.find("embeddings of 400 tokens, expected one more") != std::string::npos);
  }
  f.write("added_tokens.json", R"({"<im_patch>": 399})");  // a token of the folder's own
  const auto own = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE(own);
  CHECK(own->session().try_ask(tiny::test_image(0), "What <im_patch>?"));
  f.write("config.json", replaced(config, key, "\"mm_use_im_patch_token\": null"));
  std::filesystem::remove(f.path / "added_tokens.json");
  const auto text = tiny::model_type::try_open(f.path.string(), tiny::options());
  REQUIRE(text);
  CHECK(text->session().try_ask(tiny::test_image(0), "What <im_patch>?"));
}

namespace {

/// A tokenizer.model without its last `n` pieces: entries of field 1, each shorter than 128 bytes.
std::string without_last_pieces(std::string model, std::size_t n) {
  std::vector<std::size_t> starts;
  std::size_t at = 0;
  while (at + 1 < model.size() && model[at] == 0x0a && static_cast<unsigned char>(model[at + 1]) < 128) {
    starts.push_back(at);
    at += std::size_t{2} + static_cast<unsigned char>(model[at + 1]);
  }
  REQUIRE(starts.size() > n);
  const std::size_t from = starts[starts.size() - n];
  return model.erase(from, at - from);
}

tiny::model_type opened(const temporary_folder& f) {
  auto model = tiny::model_type::try_open(f.path.string(), tiny::options());
  if (!model) FAIL(model.error().what());
  return *std::move(model);
}

}  // namespace

namespace {

/// The ids of a prompt with an image as one `image`, of a conversation whose turns without images have <image> as text.
std::vector<std::int32_t> ids_of_marked(const tiny::model_type& model, std::int32_t image) {
  using llava::role;
  const std::vector<llava::message> turns{{role::system, "<image> is a word.", 0},
                                          {role::user, "<image>\nWhat?", 1},
                                          {role::assistant, "An<image>", 0},
                                          {role::user, "<image> and <image><image>?", 0},
                                          {role::assistant, "no", 0},
                                          {role::user, "This <image>?", 1},
                                          {role::assistant, {}, 0}};
  const auto prompt = llava::try_chat_prompt(model.state(), turns);
  REQUIRE(prompt);
  const auto made = llava::try_prepare(model.state(), *prompt,
                                       {llava::visual(tiny::test_image(0)), llava::visual(tiny::test_image(1))});
  if (!made) FAIL(made.error().what());
  std::vector<std::int32_t> ids;
  int images = 0;
  for (const llava::prompt_token& t : made->tokens) {
    if (!t.is_image()) ids.push_back(t.id);
    if (!t.is_image() || t.row > 0) continue;
    CHECK(t.image() == images++);
    ids.push_back(image);
  }
  CHECK(images == 2);
  // A caller's prompt has no turns: each <image> is a place.
  CHECK(llava::try_prepare(model.state(), *model.state().try_prompt(turns), made->images)
            .error()
            .sentence()
            .find("7 <image> for 2 images") != std::string::npos);
  return ids;
}

/// The prompt of these turns; `image` marks the images.
std::string marked_prompt(std::string_view image) {
  return llava::text_of("<image> is a word. USER: ", image, "\nWhat? ASSISTANT: An<image></s>USER: <image> and ",
                        "<image><image>? ASSISTANT: no</s>USER: This ", image, "? ASSISTANT:");
}

}  // namespace

TEST_CASE("R10: in turns without images <image> is text, though other turns have images", "[pipeline]") {
  // transformers' folders: as if the token of images had another name.
  const std::string folder = LLAVA_TEST_DATA "/goldens/clip_mha";
  llava::open_options named = tiny::options();
  named.conversation = "vicuna_v1";
  const tiny::model_type processor = tiny::open_folder(folder, named);
  temporary_folder f("renamed");
  f.copy(folder);
  for (const char* file : {"tokenizer.json", "tokenizer_config.json"})
    f.write(file, replaced(f.read(file), "\"<image>\"", "\"<omage>\""));
  const auto renamed = llava::try_open_tokenizer(f.path.string(), false);
  REQUIRE(renamed);
  const std::int32_t image = processor.description().image_token;
  REQUIRE(renamed->find("<omage>") == image);
  CHECK(ids_of_marked(processor, image) == renamed->encode(marked_prompt("<omage>")));

  // Original folders: the pieces between images, each on its own.
  const tiny::model_type original = tiny::open_folder(LLAVA_TEST_DATA "/goldens/original_inside", named);
  std::vector<std::int32_t> expected;
  std::string rest = marked_prompt("|");
  for (bool first = true; !rest.empty(); first = false) {
    const std::size_t end = std::min(rest.find('|'), rest.size());
    const std::vector<std::int32_t> piece = original.tokenizer().encode(rest.substr(0, end));
    REQUIRE(piece.front() == original.tokenizer().bos());
    if (!first) expected.push_back(llava::image_token_index);
    expected.insert(expected.end(), piece.begin() + !first, piece.end());
    rest.erase(0, end + 1);
  }
  CHECK(ids_of_marked(original, llava::image_token_index) == expected);
}

TEST_CASE("original folders: rows beyond the tokenizer's tokens are cut from the logits and never drawn",
          "[pipeline]") {
  temporary_folder f("rows");
  f.copy(LLAVA_TEST_DATA "/goldens/original_inside");
  const auto whole = *opened(f).session().try_logits("a b", {});
  f.write("tokenizer.model", without_last_pieces(f.read("tokenizer.model"), 20));
  const auto model = opened(f);
  auto chat = model.session();
  const auto cut = *chat.try_logits("a b", {});
  const std::size_t tokens = whole.size() / 400;
  REQUIRE((whole.size() == tokens * 400 && cut.size() == tokens * 380));
  for (std::size_t t = 0; t < tokens; ++t)
    CHECK(std::equal(cut.begin() + static_cast<std::ptrdiff_t>(t * 380),
                     cut.begin() + static_cast<std::ptrdiff_t>(t * 380 + 380),
                     whole.begin() + static_cast<std::ptrdiff_t>(t * 400)));
  chat.settings.max_new_tokens = 2;
  chat.settings.ignore_eos = true;
  chat.hooks.on_logits = [](std::span<float> logits) {
    CHECK(logits.size() == 380);
    logits.back() = 1e9f;
  };
  CHECK(tiny::value(chat.try_generate("a b", {})).tokens == std::vector<std::int32_t>{379, 379});
  CHECK(llava::erase(model).vocab() == 380);
}

TEST_CASE("tokenizer_model_max_length: a longer prompt with images is an error, one of text alone is not",
          "[pipeline]") {
  temporary_folder f("longest");
  f.copy(LLAVA_TEST_DATA "/goldens/original_inside");
  f.write("config.json", replaced(f.read("config.json"),
                                  "\"mm_hidden_size\":", "\"tokenizer_model_max_length\": 20, \"mm_hidden_size\":"));
  const auto model = opened(f);
  auto chat = model.session();
  chat.settings.max_new_tokens = 1;
  const std::string question = "What is in the picture, and what is beside it?";
  CHECK(chat.try_generate(question, {}));
  const auto answer = chat.try_ask(tiny::test_image(1), question);
  REQUIRE_FALSE(answer);
  INFO(answer.error().sentence());
  CHECK(answer.error().code() == llava::errc::context_full);
  CHECK(answer.error().sentence().find("tokenizer_model_max_length is 20, where the reference cuts it off") !=
        std::string::npos);
  const llava::image img = tiny::test_image(1);
  CHECK(chat.try_generate("<image>", std::span<const llava::image>(&img, 1)));  // short enough
}

TEST_CASE(
    "an unsupported chat template: the folder opens, a question is an error with the reason, a prompt is answered",
    "[pipeline]") {
  temporary_folder f("chat_template");
  f.copy(LLAVA_TEST_DATA "/goldens/clip_mha");
  f.write("chat_template.jinja", "{% for m in messages %}\n{{ m | xmlattr }}{% endfor %}");
  auto model = opened(f);
  auto chat = model.session();
  chat.settings.max_new_tokens = 2;
  const auto answer = chat.try_ask(tiny::test_image(1), "What?");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().sentence() ==
        "llava: " + (f / "chat_template.jinja") + ": line 2: the filter 'xmlattr' is not supported");
  CHECK(chat.save().turns.empty());
  CHECK(model.try_prompt(1, "What?").error().sentence() == answer.error().sentence());
  CHECK(chat.try_generate("What?", {}));

  llava::open_options named = tiny::options();
  named.conversation = "mpt";
  const auto other = tiny::model_type::try_open(f.path.string(), named);
  REQUIRE(other);
  CHECK(other->description().conversation.name == "mpt");
  CHECK(other->description().conversation.reason == "it was requested");
  auto other_chat = other->session();
  other_chat.settings.max_new_tokens = 2;
  CHECK(other_chat.try_ask(tiny::test_image(1), "What?"));
  named.conversation = "nonsense";
  const auto refused = tiny::model_type::try_open(f.path.string(), named);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == llava::errc::not_found);
  CHECK(refused.error().sentence().find("no conversation template is called 'nonsense'; known: ") != std::string::npos);
}

TEST_CASE("a prompt's own BOS is the only one, and a restored system turn stays first", "[pipeline]") {
  temporary_folder f("bos");
  f.copy(LLAVA_TEST_DATA "/goldens/clip_mha");
  f.write("chat_template.jinja",
          "{{ bos_token }}{% for m in messages %}{{ m.role }} {% for c in m.content %}"
          "{{ '<image>' if c.type == 'image' else c.text }}{% endfor %};{% endfor %}");
  const auto model = opened(f);
  CHECK(*model.try_prompt(1, "What?") == "<s>user <image>What?;");
  const auto ids = llava::prompt_ids(model.tokenizer(), model.description(), *model.try_prompt(1, "What?"), true);
  CHECK(std::count(ids.begin(), ids.end(), model.tokenizer().bos()) == 1);

  auto chat = model.session();
  chat.settings.max_new_tokens = 2;
  REQUIRE(chat.try_restore({{{llava::role::system, "Be brief."}}, {}}));
  const auto answer = chat.try_ask(tiny::test_image(1), "What?");
  REQUIRE(answer);
  CHECK(chat.save().turns.size() == 3);
  const auto whole =
      llava::prompt_ids(model.tokenizer(), model.description(), "<s>system Be brief.;user <image>What?;", true);
  CHECK(static_cast<std::size_t>(answer->prompt_tokens) == whole.size() - 1 + 9);  // an image is nine tokens
}

TEST_CASE("without a processor, a prompt of the chat template gets no BOS, a prompt of the caller does", "[pipeline]") {
  temporary_folder f("alone");
  f.copy(LLAVA_TEST_DATA "/goldens/text_llama");
  const auto without = opened(f);
  CHECK(without.description().conversation.name == "vicuna_v1");
  CHECK(without.description().conversation.guessed);
  f.write("chat_template.jinja", "{% for m in messages %}{{ m.content + ';' }}{% endfor %}");
  const auto model = opened(f);
  auto chat = model.session();
  chat.settings.max_new_tokens = 1;
  const auto asked = chat.try_ask("hello"), generated = chat.try_generate("hello;", {});
  REQUIRE(asked);
  REQUIRE(generated);
  CHECK(generated->prompt_tokens == asked->prompt_tokens + 1);
}
