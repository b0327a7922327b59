// SPDX-License-Identifier: Apache-2.0
// A worker over the bundled model, and the pieces of its text.
#include <llava/image/file.hpp>
#include <llava/serve/python_base64.hpp>
#include <llava/serve/text_streamer.hpp>
#include <llava/serve/worker.hpp>
#include <llava/serve/worker_chat_model.hpp>

#include "../pipeline/tiny_model.hpp"
#include "recorded.hpp"

using namespace recorded;

namespace {

const std::string shapes = tiny::folder + "/images/three-shapes.png";

std::string base64_of(std::string_view bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t j = 0; j < 3; ++j)
      group = group << 8 | (i + j < bytes.size() ? static_cast<unsigned char>(bytes[i + j]) : 0u);
    for (std::size_t j = 0; j < 4; ++j) out += i + j > bytes.size() ? '=' : letters[group >> (18 - 6 * j) & 63];
  }
  return out;
}
std::string file_of(const std::string& name) {
  const auto mapped = llava::mapped_file::try_open(name);
  REQUIRE(mapped);
  return base64_of({reinterpret_cast<const char*>(mapped->bytes().data()), mapped->bytes().size()});
}

std::shared_ptr<serve::worker_chat_model> model_named(std::string name) {
  return std::make_shared<serve::worker_chat_model>(
      tiny::model().shared(), std::move(name),
      [](std::span<const std::byte> bytes) { return llava::try_decode_image(bytes); });
}

struct chunk {
  std::string text;
  std::int64_t code;
};
std::vector<chunk> chunks_of(const std::shared_ptr<serve::worker_model>& model, const std::string& body) {
  std::vector<chunk> out;
  serve::answer_in_records(*model, body, {}, [&](std::string_view record) {
    const auto parsed = llava::try_parse_json("a record", record);
    REQUIRE(parsed);
    out.push_back({text(*parsed, "text"), *at(*parsed, "error_code").integer()});
    return true;
  });
  return out;
}
std::string body_of(const std::string& prompt, const std::vector<std::string>& images, const std::string& more) {
  std::string files;
  for (const std::string& file : images) files.append(files.empty() ? "\"" : ",\"").append(file).append("\"");
  return "{\"prompt\": " + serve::python_json_string(prompt) + ", \"stop\": \"</s>\", \"images\": [" + files + "]" +
         more + "}";
}

}  // namespace

TEST_CASE("pieces of text are those of transformers' streamer", "[serve]") {
  const auto cases = read_array("text_streamer.json");
  CHECK(cases.items().size() == 11);
  for (const llava::json_value& c : cases.items()) {
    serve::text_streamer streamer(tiny::model().shared()->opened.tokenizer);
    std::vector<std::string> pieces, expected;
    for (const auto& t : at(c, "tokens").items())
      pieces.push_back(streamer.push(static_cast<std::int32_t>(*t.integer())));
    pieces.push_back(streamer.end());
    for (const auto& p : at(c, "pieces").items()) expected.push_back(*p.text());
    CHECK(pieces == expected);
  }
}

TEST_CASE("a worker answers with a model", "[serve]") {
  const auto image = llava::read_image(shapes);
  auto session = tiny::model().session();
  session.settings.max_new_tokens = 64;
  const llava::answer expected = tiny::value(session.try_ask(image, "How many shapes are there?"));
  const std::string prompt = *tiny::model().try_prompt(1, "How many shapes are there?");
  const std::string body = body_of(prompt, {file_of(shapes)}, ", \"temperature\": 0, \"max_new_tokens\": 64");
  const auto model = model_named("llava-tiny");
  const std::vector<chunk> chunks = chunks_of(model, body);
  REQUIRE(chunks.size() == expected.tokens.size() + 1);  // one for each token, and the end
  for (std::size_t i = 0; i < chunks.size(); ++i) {
    CHECK(chunks[i].code == 0);
    CHECK(chunks[i].text.starts_with(i == 0 ? prompt : chunks[i - 1].text));
  }
  CHECK(llava::stripped(chunks.back().text.substr(prompt.size())) == expected.text);

  // Through HTTP, several at one time.
  serve::worker_settings s;
  s.registers = false;
  auto w = serve::worker::try_start(std::move(s), model);
  REQUIRE(w);
  std::vector<std::string> replies(4);
  std::vector<std::thread> clients;
  for (std::string& reply : replies)
    clients.emplace_back([&] { reply = post(url_of(*w) + "/worker_generate_stream", body).body; });
  for (std::thread& c : clients) c.join();
  std::string all;
  for (const chunk& c : chunks) all += serve::record_of(serve::stream_chunk(c.text, 0));
  for (const std::string& reply : replies) CHECK(reply == all);
}

TEST_CASE("a worker refuses what does not fit together", "[serve]") {
  const auto model = model_named("llava-tiny");
  const std::string file = file_of(shapes);
  const auto codes = [&](const std::string& prompt, const std::vector<std::string>& images,
                         const std::string& more = {}) {
    return chunks_of(model, body_of(prompt, images, more + ", \"temperature\": 0"));
  };
  for (const auto& wrong :
       {codes("<image> a", {}), codes("a", {file}), codes("<image><image>", {file}), codes("<image>", {"!"}),
        codes("<image>", {"abc"}), codes("<image>", {base64_of("no image")}), codes("a", {}, ", \"top_p\": 3")}) {
    REQUIRE(wrong.size() == 1);
    CHECK(wrong[0].code == 1);
    CHECK(wrong[0].text == serve::server_error_message);
  }
  std::string words;
  for (int i = 0; i < 20000; ++i) words += " two";
  for (const auto& [prompt, more] : {std::pair(words, ""), std::pair(std::string("a"), ", \"max_new_tokens\": 0")}) {
    const auto full = codes(prompt, {}, more);
    REQUIRE(full.size() == 1);
    CHECK(full[0].code == 0);
    CHECK(full[0].text == prompt + std::string(serve::too_long_message));
  }
  // The original counts an image as one token and the patches of a square.
  const auto& m = *tiny::model().shared();
  const int prompt_ids =
      static_cast<int>(llava::try_prepare(m, "<image> a", {llava::visual(llava::read_image(shapes))})->tokens.size()) -
      m.image_rows + 1 + m.shapes().features;
  CHECK(m.opened.description.text.context - prompt_ids > 64);
  CHECK(codes("<image> a", {file}, ", \"max_new_tokens\": 3").size() <= 4);
}

TEST_CASE("base64 is decoded as Python does", "[serve]") {
  const auto decoded = [](std::string_view text) -> std::optional<std::string> {
    const auto bytes = serve::try_python_base64(text);
    if (!bytes) return std::nullopt;
    return std::string(reinterpret_cast<const char*>(bytes->data()), bytes->size());
  };
  // b64decode of Python 3.11
  CHECK(decoded("") == "");
  CHECK(decoded("QQ==") == "A");
  CHECK(decoded("QUI=") == "AB");
  CHECK(decoded("QUJD") == "ABC");
  CHECK(decoded("Q U\nJ*D") == "ABC");
  CHECK(decoded("QQ==QUJD") == "A");
  for (const char* bad : {"Q", "QQ", "QQ=", "QUI", "QUJDQ"}) CHECK_FALSE(decoded(bad));
}
