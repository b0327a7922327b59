// SPDX-License-Identifier: Apache-2.0
// Which requests of OpenAI's API are accepted, with what they mean, and which are refused, naming the field.
#include <llava/serve/base64.hpp>
#include <llava/serve/openai_request.hpp>

#include <string>
#include <string_view>

namespace serve = llava::serve;
using llava::role;

namespace {

struct outcome {
  bool is_accepted = false;
  serve::openai_request read;
  std::string param, message;
};

outcome read(std::string_view body, bool is_chat = true, bool start_end = false) {
  outcome out;
  const auto root = serve::try_parse_body(body, out.param);
  if (!root) return out.message = root.error().sentence(), out;
  serve::request_fields fields(*root, {}, out.param);
  fields.ignore({"model"});
  auto got = is_chat ? serve::try_read_chat(fields, start_end) : serve::try_read_completion(fields);
  out.is_accepted = got.has_value();
  if (got)
    out.read = *std::move(got);
  else
    out.message = got.error().sentence();
  return out;
}

/// A chat with one question, and more fields.
std::string asked(std::string_view more) {
  return llava::text_of(R"({"messages": [{"role": "user", "content": "hi"}])", more.empty() ? "" : ", ", more, "}");
}
outcome read_fields(std::string_view more) { return read(asked(more)); }
outcome read_content(std::string_view content, bool start_end = false) {
  return read(llava::text_of(R"({"messages": [{"role": "user", "content": )", content, "}]}"), true, start_end);
}

constexpr std::string_view pixel = R"({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC"}})";

}  // namespace

TEST_CASE("openai_request: every field of an answer is honoured", "[serve]") {
  const outcome o = read_fields(R"("stream": true, "stream_options": {"include_usage": true}, "n": 3, "seed": -1,
      "max_completion_tokens": 7, "temperature": 0.5, "top_p": 0.25, "top_k": 4, "min_p": 0.125,
      "presence_penalty": -1.5, "frequency_penalty": 2, "repetition_penalty": 1.25, "logit_bias": {"5": -100, "7": 2.5},
      "stop": ["a", "b"], "stop_token_ids": [3], "ignore_eos": true, "logprobs": true, "top_logprobs": 20)");
  INFO(o.message);
  REQUIRE(o.is_accepted);
  const serve::answer_fields& a = o.read.answers;
  CHECK((a.stream && a.include_usage && a.n == 3 && a.has_seed));
  CHECK(a.settings.seed == ~std::uint64_t{0});
  CHECK(a.settings.max_new_tokens == 7);
  CHECK(a.settings.temperature == 0.5f);
  CHECK(a.settings.top_p == 0.25f);
  CHECK(a.settings.top_k == 4);
  CHECK(a.settings.min_p == 0.125f);
  CHECK(a.settings.presence_penalty == -1.5f);
  CHECK(a.settings.frequency_penalty == 2.f);
  CHECK(a.settings.repetition_penalty == 1.25f);
  REQUIRE(a.settings.logit_bias.size() == 2);
  CHECK((a.settings.logit_bias[0].token == 5 && a.settings.logit_bias[0].bias == -100.f));
  CHECK(a.settings.stop == std::vector<std::string>{"a", "b"});
  CHECK(a.settings.stop_token_ids == std::vector<std::int32_t>{3});
  CHECK((a.settings.ignore_eos && a.settings.logprobs && a.settings.top_logprobs == 20));
}

TEST_CASE("openai_request: what is not sent is the model's to choose", "[serve]") {
  const outcome o = read_fields(R"("stop": null, "temperature": null, "seed": null)");
  REQUIRE(o.is_accepted);
  const llava::generation_settings& s = o.read.answers.settings;
  CHECK_FALSE((s.max_new_tokens || s.temperature || s.top_p || s.top_k || s.min_p || s.repetition_penalty));
  CHECK_FALSE((o.read.answers.has_seed || o.read.answers.stream || s.logprobs));
  CHECK(o.read.answers.n == 1);
}

TEST_CASE("openai_request: a completion", "[serve]") {
  const outcome o = read(R"({"prompt": "a", "logprobs": 3, "echo": false, "suffix": "", "best_of": 1})", false);
  REQUIRE(o.is_accepted);
  CHECK(o.read.prompt == "a");
  CHECK((o.read.answers.settings.logprobs && o.read.answers.settings.top_logprobs == 3));
  for (const auto& [body, param] :
       {std::pair(R"({})", "prompt"), std::pair(R"({"prompt": ""})", "prompt"),
        std::pair(R"({"prompt": ["a"]})", "prompt"), std::pair(R"({"prompt": "a", "echo": true})", "echo"),
        std::pair(R"({"prompt": "a", "best_of": 2})", "best_of"),
        std::pair(R"({"prompt": "a", "suffix": "b"})", "suffix"),
        std::pair(R"({"prompt": "a", "messages": []})", "messages")})
    CHECK(read(body, false).param == param);
}

TEST_CASE("openai_request: turns and images", "[serve]") {
  const outcome o = read(llava::text_of(
      R"({"messages": [{"role": "developer", "content": "be brief"}, {"role": "user", "content": [)", pixel,
      R"(, {"type": "text", "text": "what?"}]}, {"role": "assistant", "content": "a dog", "refusal": null,
          "tool_calls": []}, {"role": "user", "content": "sure? <image>"}]})"));
  INFO(o.message);
  REQUIRE(o.is_accepted);
  const auto& turns = o.read.chat.turns;
  REQUIRE(turns.size() == 4);
  CHECK((turns[0].from == role::system && turns[0].text == "be brief"));
  CHECK((turns[1].from == role::user && turns[1].text == "<image>\nwhat?" && turns[1].images == 1));
  CHECK((turns[2].from == role::assistant && turns[2].text == "a dog"));
  CHECK((turns[3].text == "sure? <image>" && turns[3].images == 0));  // text, no image (R10)
  REQUIRE(o.read.chat.files.size() == 1);
  CHECK(o.read.chat.files[0] == std::vector{std::byte{0}, std::byte{1}, std::byte{2}});

  const auto text = [](std::string_view t) { return llava::text_of(R"({"type": "text", "text": ")", t, "\"}"); };
  const auto placed = [](std::string_view parts, bool start_end = false) {
    const outcome c = read_content(llava::text_of("[", parts, "]"), start_end);
    INFO(c.message);
    REQUIRE(c.is_accepted);
    return c.read.chat.turns[0].text;
  };
  const std::string a = text("a"), b = text("b"), image(pixel), marked = text("x <image> y");
  CHECK(placed(a + "," + image) == "<image>\na");  // as LLaVA was trained
  CHECK(placed(image + "," + a + "," + b) == "<image>\na\nb");
  CHECK(placed(a + "," + image + "," + b) == "a\n<image>\nb");
  CHECK(placed(image + "," + a + "," + image + "," + b) == "<image>\na\n<image>\nb");
  CHECK(placed(marked + "," + image) == "x <image> y");
  CHECK(placed(a + "," + image, true) == "<im_start><image><im_end>\na");
  CHECK(read_content(llava::text_of("[", marked, ",", image, ",", image, "]")).param == "messages[0].content");
}

TEST_CASE("openai_request: what could change an answer and is not honoured is refused by name", "[serve]") {
  for (const auto& [more, param] : {std::pair(R"("n": 9)", "n"),
                                    std::pair(R"("n": true)", "n"),
                                    std::pair(R"("n": -1)", "n"),
                                    std::pair(R"("max_tokens": -5)", "max_tokens"),
                                    std::pair(R"("max_tokens": 99999999999999999999)", "max_tokens"),
                                    std::pair(R"("temperature": 101)", "temperature"),
                                    std::pair(R"("top_p": -0.1)", "top_p"),
                                    std::pair(R"("top_k": -1)", "top_k"),
                                    std::pair(R"("seed": 1.5)", "seed"),
                                    std::pair(R"("logit_bias": [1])", "logit_bias"),
                                    std::pair(R"("logit_bias": {"1x": 1})", "logit_bias"),
                                    std::pair(R"("logit_bias": {"-1": 1})", "logit_bias"),
                                    std::pair(R"("logit_bias": {"": 1})", "logit_bias"),
                                    std::pair(R"("stop": {})", "stop"),
                                    std::pair(R"("stop": [1])", "stop"),
                                    std::pair(R"("top_logprobs": 1)", "top_logprobs"),
                                    std::pair(R"("logprobs": 1)", "logprobs"),
                                    std::pair(R"("stream": true, "stream_options": 1)", "stream_options"),
                                    std::pair(R"("response_format": {})", "response_format.type"),
                                    std::pair(R"("guided_choice": ["a", ""])", "guided_choice"),
                                    std::pair(R"("guided_regex": "a")", "guided_regex"),
                                    std::pair(R"("response_format": "text")", "response_format"),
                                    std::pair(R"("tools": [1])", "tools"),
                                    std::pair(R"("functions": [1])", "functions"),
                                    std::pair(R"("tool_choice": {})", "tool_choice"),
                                    std::pair(R"("modalities": ["text", "audio"])", "modalities"),
                                    std::pair(R"("store": true)", "store"),
                                    std::pair(R"("reasoning_effort": "low")", "reasoning_effort"),
                                    std::pair(R"("prompt": "a")", "prompt"),
                                    std::pair(R"("Temperature": 1)", "Temperature"),
                                    std::pair(R"("use_beam_search": true)", "use_beam_search")}) {
    const outcome o = read_fields(more);
    INFO(more << " -> " << o.message);
    CHECK_FALSE(o.is_accepted);
    CHECK(o.param == param);
    CHECK(o.message.starts_with(o.param));
  }
  CHECK(read_fields(R"("user": "u", "metadata": {}, "service_tier": "flex", "safety_identifier": "s", "store": false,
      "prompt_cache_key": "k", "tools": [], "tool_choice": "auto", "parallel_tool_calls": false, "n": 1,
      "modalities": ["text"], "response_format": {"type": "text"}, "functions": [], "function_call": "none")")
            .is_accepted);
}

TEST_CASE("openai_request: images are data: URLs of valid base64", "[serve]") {
  const auto url = [](std::string_view u) {
    return read_content(llava::text_of(R"([{"type": "image_url", "image_url": {"url": ")", u, "\"}}]"));
  };
  CHECK(url("DATA:image/jpeg;base64,AAEC").is_accepted);
  for (const char* bad : {"http://a/b.png", "https://a/b.png", "file:///a.png", "/a.png", "",
                          "data:", "data:image/png;base64", "data:image/png,AAEC", "data:text/plain;base64,AAEC",
                          "data:image/png;base64,", "data:image/png;base64,AAE", "data:image/png;base64,AA=C",
                          "data:image/png;base64,A===", "data:image/png;base64,AA EC", "data:image/png;base64,AAF="}) {
    INFO(bad);
    CHECK(url(bad).param == "messages[0].content[0].image_url.url");
  }
  CHECK(url(std::string("data:image/png;base64,") + std::string((20 << 20) / 3 * 4 + 8, 'A')).message.find("limit") !=
        std::string::npos);
  std::string many = "[";
  for (int i = 0; i < 65; ++i) many.append(i ? "," : "").append(pixel);
  CHECK(read_content(many + "]").param == "messages[0].content[64].image_url.url");
  CHECK(read_content(R"([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAEC", "detail": "low"}}])")
            .param == "messages[0].content[0].image_url.detail");
  const auto bytes = serve::base64_decoded("+/8=");
  REQUIRE(bytes);
  CHECK(*bytes == std::vector{std::byte{0xfb}, std::byte{0xff}});
}

TEST_CASE("openai_request: a body is one JSON object of limited depth, without repeated keys", "[serve]") {
  for (const std::string& body :
       {std::string(), std::string("[]"), std::string("1"), std::string(3000, '['), std::string(1'000'000, '['),
        std::string(R"({"n": 1, "n": 1})"), asked(R"("temperature": 1e400)"), asked("\"\xff\": 1")}) {
    const outcome o = read(body);
    CHECK_FALSE(o.is_accepted);
    CHECK_FALSE(o.message.empty());
  }
}
