// SPDX-License-Identifier: Apache-2.0
/// R12 for readers, tokenizers and templates that a program calls directly.
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/hub_cache.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/safetensors_writer.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/image/resize.hpp>
#include <llava/image/square.hpp>
#include <llava/text/chat_template.hpp>
#include <llava/text/conversation.hpp>
#include <refuse_each.hpp>
#include <temporary_folder.hpp>

namespace {
const std::string tiny = LLAVA_EXAMPLES_DIR "/tiny", config = tiny + "/config.json", missing = tiny + "/no.safetensors";
}

TEST_CASE("R12: memory is refused while a folder is described and its tokenizer opened", "[checkpoint]") {
  CHECK(refuse_each([] { return llava::try_resolve_model_folder(tiny); }) > 0);
  CHECK(refuse_each([] { return llava::try_resolve_model_folder("no/such-model"); }, 2000, 1, llava::errc::not_found) >
        0);
  for (const char* name : {"clip_mha", "original_folder"}) {
    const std::string folder = std::string(LLAVA_TEST_DATA "/goldens/") + name;
    CHECK(refuse_each([&] { return llava::try_describe_model(folder); }) > 100);
  }
  CHECK(refuse_each([] { return llava::try_open_tokenizer(tiny); }, 300, 17) > 50);
}

TEST_CASE("R12: memory is refused while tensor files are read and written", "[checkpoint]") {
  CHECK(refuse_each([] { return llava::safetensors_folder::try_open(tiny); }) > 50);
  CHECK(refuse_each([] { return llava::safetensors_file::try_open(missing); }, 2000, 1, llava::errc::not_found) > 0);
  CHECK(refuse_each([] { return llava::mapped_file::try_open(missing); }, 2000, 1, llava::errc::not_found) > 0);

  temporary_folder f("refused_files");
  const std::string file = f / "weights";
  const std::byte bytes[8] = {};
  const std::vector<llava::safetensors_plan> plan = {{"a", llava::dtype::uint8, {8}, {}}};
  CHECK(refuse_each([&]() -> llava::result<void> {
          std::remove(file.c_str());
          LLAVA_TRY(out, llava::safetensors_writer::try_create(file, plan));
          LLAVA_CHECK(out.try_write(bytes));
          return out.try_finish();
        }) > 3);
  llava::serial_executor threads;
  const std::string packed = f / "packed";
  CHECK(
      refuse_each([&] {
        return llava::guarded([&] { return llava::packed_weights::try_write(packed, "s", {{"a", "layout", bytes}}); });
      }) > 10);
  CHECK(refuse_each([&] { return llava::packed_weights::try_open(packed, "s", threads); }) > 5);
}

TEST_CASE("R12: memory is refused while JSON and text files are read", "[checkpoint]") {
  CHECK(refuse_each([] { return llava::try_parse_json("a.json", R"({"a long enough key": [1, 2.5, {"b": null}]})"); }) >
        5);
  CHECK(refuse_each([] { return llava::try_parse_json("a.json", "{"); }, 2000, 1, llava::errc::invalid_format) > 1);
  CHECK(refuse_each([] { return llava::try_read_text_file(config); }) > 0);
}

TEST_CASE("R12: memory is refused while prompts and chat templates are rendered", "[text]") {
  const llava::message turns[] = {{llava::role::user, "What is in the picture, in a sentence or two?"},
                                  {llava::role::assistant, {}}};
  CHECK(refuse_each([&] { return llava::try_prompt(llava::any_conversation(), turns); }) > 1);
  CHECK(refuse_each([] { return llava::any_conversation::try_named("nobody"); }, 2000, 1, llava::errc::not_found) > 1);
  constexpr std::string_view text = "{% for i in range(9) %}{{ 'a longer text than fits' ~ i | string }}{% endfor %}";
  CHECK(refuse_each([&] { return llava::chat_template::try_parse(text); }) > 10);
  const auto parsed = llava::chat_template::try_parse(text);
  REQUIRE(parsed);
  CHECK(refuse_each([&]() -> llava::result<std::string> {
          return llava::guarded([&]() -> llava::result<std::string> {
            llava::template_memory memory;
            return parsed->try_render(memory.make(llava::template_type::dict), memory);
          });
        }) > 10);
}

TEST_CASE("R12: memory is refused while images are resized, padded and cropped", "[image]") {
  const llava::image p = *llava::try_image_from_rgb(4, 3, std::vector<std::byte>(36));
  CHECK(refuse_each([&] { return llava::try_pad_to_square(p, {1, 2, 3}); }) > 0);
  CHECK(refuse_each([&] { return llava::try_centre_crop(p, 2); }) > 0);
  CHECK(refuse_each([&] { return llava::try_resize<llava::bicubic>(p, 7, 5); }) > 1);
}
