// SPDX-License-Identifier: Apache-2.0
/// The conversation of a folder: its chat_template from where transformers looks for it, or the model's name as in the
/// original program.
#include <llava/checkpoint/describe.hpp>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>

namespace {

const std::string hf = LLAVA_TEST_DATA "/goldens/clip_mha", text_only = LLAVA_TEST_DATA "/goldens/text_llama",
                  original = LLAVA_TEST_DATA "/goldens/original_inside";

llava::model_description description_of(const std::string& folder) {
  auto d = llava::try_describe_model(folder);
  if (!d) FAIL(d.error().what());
  return *std::move(d);
}
llava::conversation_choice choice_of(const std::string& folder) { return description_of(folder).conversation; }
llava::conversation_choice choice_of(const temporary_folder& f) { return choice_of(f.path.string()); }
std::string error_of(const temporary_folder& f) {
  const auto d = llava::try_describe_model(f.path.string());
  return d ? "" : d.error().sentence();
}

/// The small files of an original folder, in a folder with the given name.
struct original_folder : temporary_folder {
  explicit original_folder(const std::string& name) : temporary_folder("original_conversation"), folder(*this / name) {
    std::filesystem::create_directories(folder);
    std::filesystem::copy(original + "/config.json", folder + "/config.json");
    std::filesystem::copy(original + "/tower", folder + "/tower");
  }
  std::string folder;
};

}  // namespace

TEST_CASE("the chat template of a processor comes from four places, in the order of transformers") {
  temporary_folder f("four_places");
  f.copy(hf);
  std::filesystem::remove(f.path / "chat_template.jinja");
  CHECK(choice_of(f).name.empty());
  CHECK(choice_of(f).guessed);
  CHECK(choice_of(f).reason == "the folder has no chat_template");

  const std::string settings = f.read("tokenizer_config.json");
  f.write("tokenizer_config.json", R"({"chat_template": "of the tokenizer", )" + settings.substr(1));
  CHECK(choice_of(f).own.text == "of the tokenizer");
  CHECK(choice_of(f).name == "chat_template");
  CHECK_FALSE(choice_of(f).guessed);
  CHECK(choice_of(f).own.parts_first);
  CHECK(choice_of(f).reason == "the folder has one in tokenizer_config.json");
  CHECK(choice_of(f).own.file == f / "tokenizer_config.json");

  f.write("processor_config.json", R"({"chat_template": null})");
  CHECK(choice_of(f).own.text == "of the tokenizer");
  f.write("processor_config.json", R"({"chat_template": "of the processor"})");
  CHECK(choice_of(f).own.text == "of the processor");
  f.write("chat_template.jinja", "of its own file\n");
  CHECK(choice_of(f).own.text == "of its own file\n");
  f.write("chat_template.json", R"({"chat_template": "of the older file"})");
  CHECK(choice_of(f).own.text == "of the older file");
}

TEST_CASE("of several chat templates the one named default is used") {
  temporary_folder f("several");
  f.copy(hf);
  std::filesystem::remove(f.path / "chat_template.jinja");
  const auto with = [&](const std::string& templates) {
    f.write("chat_template.json", "{\"chat_template\": " + templates + "}");
    return error_of(f).empty() ? choice_of(f).own.text : error_of(f);
  };
  CHECK(with(R"([{"name": "tool_use", "template": "a"}, {"name": "default", "template": "b"}])") == "b");
  CHECK(with(R"({"rag": "a", "default": "b"})") == "b");
  CHECK(with(R"([{"name": "tool_use", "template": "a"}])").empty());
  CHECK(with("\"\"").empty());
  CHECK(with("7").find("\"chat_template\" must be a string, or a list") != std::string::npos);
  CHECK(with(R"([{"name": "default"}])").find("\"chat_template\" must be a string, or a list") != std::string::npos);
}

TEST_CASE(
    "without a processor, the tokenizer's two places have the template, and contents are rendered as text first") {
  temporary_folder f("tokenizer_alone");
  f.copy(text_only);
  CHECK(choice_of(f).guessed);
  f.write("chat_template.json", R"({"chat_template": "of the older file"})");
  f.write("processor_config.json", R"({"chat_template": "of the processor"})");
  CHECK(choice_of(f).guessed);
  f.write("tokenizer_config.json", R"({"chat_template": "of the tokenizer"})");
  CHECK(choice_of(f).own.text == "of the tokenizer");
  CHECK_FALSE(choice_of(f).own.parts_first);
  f.write("chat_template.jinja", "of its own file");
  CHECK(choice_of(f).own.text == "of its own file");
}

TEST_CASE("an unsupported chat template is not an error of the folder") {
  temporary_folder f("unknown");
  f.copy(hf);
  f.write("chat_template.jinja", "{% include 'x' %}");
  CHECK(error_of(f).empty());
}

TEST_CASE("an original folder's name selects its conversation, as in the reference's command line") {
  for (const auto& [folder, conversation, guessed] :
       {std::tuple<const char*, const char*, bool>{"llava-v1.5-7b", "llava_v1", false},
        {"llava-llama-2-7b-chat", "llava_llama_2", false},
        {"LLaVA-v1.6-mistral-7b", "mistral_instruct", false},
        {"llava-v1.6-34b", "chatml_direct", false},
        {"LLaVA-MPT", "mpt", false},
        {"q4", "llava_v0", true},
        {"LLaVA-7b-v0", "llava_v0", false},
        {"llava-v1/checkpoint-20", "llava_v1", false},
        {"checkpoint-20/q4", "llava_v0", true}}) {
    const original_folder f(folder);
    INFO(folder);
    CHECK(choice_of(f.folder).name == conversation);
    CHECK(choice_of(f.folder + "/").name == conversation);
    CHECK(choice_of(f.folder).guessed == guessed);
    CHECK(choice_of(f.folder).own.text.empty());
  }
  const original_folder f("llava-v1.5-7b");
  CHECK(choice_of(f.folder).reason == "the folder is called llava-v1.5-7b");
  std::ofstream(f.folder + "/chat_template.jinja") << "does not count";
  CHECK(choice_of(f.folder).name == "llava_v1");
}

TEST_CASE("an original folder has one conversation: by a link, as the current folder, from the cache") {
  const original_folder f("llava-v1.5-7b");
  std::filesystem::create_directory_symlink(f.folder, f.path / "model");
  CHECK(choice_of(f / "model").name == "llava_v1");
  CHECK(choice_of(f / "model/.").name == "llava_v1");
  CHECK(choice_of(f.folder + "/tower/..").name == "llava_v1");
  const auto before = std::filesystem::current_path();
  std::filesystem::current_path(f.folder);
  const llava::conversation_choice here = choice_of(".");
  std::filesystem::current_path(before);
  CHECK(here.name == "llava_v1");
  CHECK(here.reason == "the folder is called llava-v1.5-7b");

  const original_folder cached("models--liuhaotian--llava-v1.5-7b/snapshots/4481d270cc22fd4d1e5fd40a2bd6f8e10bd65e4e");
  CHECK(choice_of(cached.folder).name == "llava_v1");
  CHECK(choice_of(cached.folder).reason == "the repository is called liuhaotian/llava-v1.5-7b");
  const original_folder unnamed("models--someone--tuned/snapshots/abc");
  CHECK(choice_of(unnamed.folder).guessed);
  CHECK(choice_of(unnamed.folder).reason == "the repository is called someone/tuned, which matches no known model");
  // The owner's name is ignored: the reference looks at the last part.
  const original_folder owner("models--mistral--tuned/snapshots/abc");
  CHECK(choice_of(owner.folder).name == "llava_v0");
}

TEST_CASE("llava_model_name in config.json takes precedence over every other name") {
  const original_folder f("llava-v1.5-7b");
  CHECK(description_of(f.folder).slow_tokenizer);
  std::ifstream in(f.folder + "/config.json");
  const std::string config{std::istreambuf_iterator<char>(in), {}};
  std::ofstream(f.folder + "/config.json") << R"({"llava_model_name": "llava-v1.6-mistral-7b", )" << config.substr(1);
  CHECK(choice_of(f.folder).name == "mistral_instruct");
  CHECK(choice_of(f.folder).reason == "config.json says llava_model_name llava-v1.6-mistral-7b");
  CHECK_FALSE(choice_of(f.folder).guessed);
  CHECK_FALSE(description_of(f.folder).slow_tokenizer);  // the reference uses the fast tokenizer for this name
  std::ofstream(f.folder + "/config.json") << R"({"llava_model_name": "q4", )" << config.substr(1);
  CHECK(choice_of(f.folder).guessed);
  CHECK(description_of(f.folder).model_name == "q4");
}
