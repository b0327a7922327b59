// SPDX-License-Identifier: Apache-2.0
/// Videos through the pipeline: transformers' LlavaNextVideo (tests/oracle/next_video.py), and folders of LLaVA-NeXT,
/// whose plan tests/image/video_plan.cpp compares with the program.
#include <llava.hpp>
#include <temporary_folder.hpp>

#include <bit>

#include "../goldens/golden.hpp"

namespace {

using model_type = llava::pipeline<llava::any, llava::simd, llava::weights<llava::f32>>;

model_type open(const std::string& folder, int kv_tokens = 1024) {
  llava::open_options o;
  o.threads = 2;
  o.kv_tokens = kv_tokens;
  auto opened = model_type::try_open(folder, o);
  if (!opened) FAIL(opened.error().what());
  return *std::move(opened);
}
const llava::image& picture(const std::string& name) {
  static const golden::record record("next");
  static std::map<std::string, llava::image> all;
  if (!all.count(name)) all[name] = record.test_image(name);
  return all[name];
}
llava::video test_video(std::vector<double> times = {}, double seconds = 0) {
  return *llava::video::try_make({picture("wide"), picture("tall"), picture("wide"), picture("square")},
                                 std::move(times), seconds);
}

/// The golden "next" as a llava_next_video, and what transformers computes with it.
struct next_video {
  temporary_folder folder{"next_video"};
  explicit next_video(const std::string& mode) {
    folder.copy(golden::folder("next"));
    std::string words = folder.read("tokenizer.json");
    while (words.find("<pad>") != std::string::npos) words = replaced(words, "<pad>", "<video>");
    folder.write("tokenizer.json", words);
    folder.write("config.json", replaced(folder.read("config.json"), "\"model_type\": \"llava_next\"",
                                         "\"model_type\": \"llava_next_video\", \"video_token_index\": 401, "
                                         "\"spatial_pool_stride\": 2, \"spatial_pool_mode\": \"" +
                                             mode + "\""));
  }
};
std::vector<float> reference(const std::string& name) {
  const auto file = llava::safetensors_file::try_open(golden::folder("next") + "/video.safetensors");
  if (!file) FAIL(file.error().what());
  const llava::stored_tensor* t = file->find(name);
  REQUIRE(t);
  std::vector<float> v(t->bytes.size() / sizeof(float));
  std::memcpy(v.data(), t->bytes.data(), t->bytes.size());
  return v;
}

/// A copy of LLaVA-NeXT's golden whose config.json has more keys.
struct original_folder : temporary_folder {
  original_folder(const std::string& name, const std::string& keys) : temporary_folder(name) {
    copy(golden::folder("original_anyres"));
    write("config.json", replaced(read("config.json"), "{", "{" + keys + ","));
  }
};

std::vector<float> newline_of(const model_type& model) {
  const auto newline = *model.state().opened.tensors.find("image_newline");
  REQUIRE(newline.type == llava::dtype::bfloat16);
  std::vector<float> values;
  for (std::size_t i = 0; i < 48; ++i)
    values.push_back(std::bit_cast<float>((std::to_integer<std::uint32_t>(newline.bytes[2 * i]) << 16) |
                                          (std::to_integer<std::uint32_t>(newline.bytes[2 * i + 1]) << 24)));
  return values;
}

/// A frame's 4 × 4 rows, pooled by 2 × 2 blocks, newlines as in "grid" or "frame".
std::vector<float> pooled(const std::vector<float>& rows, const std::vector<float>& newline, bool largest, bool grid) {
  std::vector<float> tokens;
  for (std::size_t y = 0; y < 2; ++y) {
    for (std::size_t x = 0; x < 2; ++x)
      for (std::size_t i = 0; i < 48; ++i) {
        const auto row = [&](std::size_t down, std::size_t across) {
          return rows[((2 * y + down) * 4 + 2 * x + across) * 48 + i];
        };
        tokens.push_back(largest ? std::max({row(0, 0), row(0, 1), row(1, 0), row(1, 1)})
                                 : (row(0, 0) + row(0, 1) + row(1, 0) + row(1, 1)) / 4);
      }
    if (grid) tokens.insert(tokens.end(), newline.begin(), newline.end());
  }
  if (!grid) tokens.insert(tokens.end(), newline.begin(), newline.end());
  return tokens;
}

}  // namespace

TEST_CASE("R15: image tokens and logits of a video match transformers' LlavaNextVideo", "[pipeline]") {
  for (const std::string mode : {"average", "max"}) {
    const next_video of(mode);
    const auto model = open(of.folder.path.string());
    REQUIRE(model.description().video_token == 401);
    const auto tokens = model.try_image_tokens(test_video());
    if (!tokens) FAIL(tokens.error().what());
    const std::vector<float> expected = reference("tokens." + mode);
    REQUIRE(tokens->size() == expected.size());
    CHECK(*model.try_count_image_tokens(test_video()) == 16);
    CHECK(largest_error(*tokens, expected) <= 1e-4);
    const auto logits = model.session().try_logits("USER: <image>\nWhat is moving? ASSISTANT:", test_video());
    if (!logits) FAIL(logits.error().what());
    const std::vector<float> last(logits->end() - model.state().vocab(), logits->end()),
        wanted = reference("logits." + mode);
    REQUIRE(last.size() == wanted.size());
    CHECK(largest_error(last, wanted) <= 1e-4);
  }
}

TEST_CASE("a video of LLaVA-NeXT has the pooled image tokens of its frames, and newlines", "[pipeline]") {
  original_folder flat("llava-v1.6-square", "\"unused\": 0");
  flat.write("config.json", replaced(flat.read("config.json"), "\"anyres\"", "\"square\""));
  flat.write("config.json", replaced(flat.read("config.json"), "\"spatial_unpad\"", "\"flat\""));
  const auto squares = open(flat.path.string());
  const llava::video v = test_video();
  for (const bool largest : {false, true})
    for (const bool grid : {false, true}) {
      const original_folder folder("llava-video",
                                   std::string("\"mm_spatial_pool_mode\": \"") + (largest ? "max" : "average") +
                                       "\", \"mm_newline_position\": \"" + (grid ? "grid" : "frame") + "\"");
      const auto model = open(folder.path.string());
      std::vector<float> expected;
      for (const llava::image& frame : v.frames()) {
        const std::vector<float> rows = squares.try_image_tokens(frame).value();
        REQUIRE(rows.size() == 16 * 48);
        const auto more = pooled(rows, newline_of(model), largest, grid);
        expected.insert(expected.end(), more.begin(), more.end());
      }
      const auto tokens = model.try_image_tokens(v);
      if (!tokens) FAIL(tokens.error().what());
      REQUIRE(tokens->size() == expected.size());
      CHECK(largest_error(*tokens, expected) <= 1e-6);
    }
}

// [example]
llava::answer ask_about_frames(const std::string& folder, std::vector<llava::image> frames) {
  const auto model = llava::open<llava::any, llava::simd, llava::f32>(folder);
  const auto sample = llava::try_sample_frames(300, 25, 4).value();  // of 300 frames, 25 a second, four
  auto clip = llava::video::try_make(std::move(frames), sample.times, sample.seconds).value();
  auto chat = model.session();
  return chat.ask(clip, "What happens?");
}
// [example]

TEST_CASE("a question about a video: one place in the prompt, the times of its frames, a conversation", "[pipeline]") {
  const original_folder folder("llava-video-times",
                               "\"mm_spatial_pool_mode\": \"bilinear\", \"add_time_instruction\": true");
  const auto model = open(folder.path.string());
  CHECK(*model.try_count_image_tokens(test_video()) == 4 * 4 + 1);
  auto chat = model.session();
  chat.settings.max_new_tokens = 4;
  const llava::video v = test_video({0, 0.5, 1, 1.505}, 2);
  const auto first = chat.try_ask(v, "What is moving?");
  if (!first) FAIL(first.error().what());
  REQUIRE(chat.save().turns.size() == 2);
  CHECK(
      chat.save().turns[0].text ==
      "<image>\nThe video lasts for 2.00 seconds, and 4 frames are uniformly sampled from it. These frames are located "
      "at 0.00s,0.50s,1.00s,1.50s.Please answer the following questions related to this video.\nWhat is moving?");
  CHECK(chat.save().images[0].is_video());
  const auto second = chat.try_ask(picture("tall"), "And here?");
  REQUIRE(second);
  CHECK(second->reused_tokens > 17);
  CHECK_FALSE(chat.save().images[1].is_video());
  // The same answer by another way: a prompt of one's own, an erased model.
  auto own = model.session();
  own.settings.max_new_tokens = 4;
  const llava::message turns[] = {chat.save().turns[0], {llava::role::assistant, {}, 0}};
  CHECK(own.try_generate(*model.state().try_prompt(turns), v)->tokens == first->tokens);
  const llava::chat_model erased = llava::erase(model.shared());
  CHECK(erased.description().has_video);
  CHECK_FALSE(erased.description().force_sample);
  auto other = erased.session();
  other.settings.max_new_tokens = 4;
  CHECK(other.try_ask(v, "What is moving?")->tokens == first->tokens);
  const auto example = ask_about_frames(folder.path.string(), {v.frames().begin(), v.frames().end()});
  CHECK(example.prompt_tokens > 17);
}

TEST_CASE("R14: a batch answers about a video as a session does, beside images and text", "[pipeline]") {
  const original_folder folder("llava-video-batch", "\"mm_spatial_pool_mode\": \"max\"");
  const auto model = open(folder.path.string());
  const std::string prompt = "USER: <image>\nWhat is moving? ASSISTANT:";
  llava::generation_settings few;
  few.max_new_tokens = 6;
  auto alone = model.session();
  alone.settings = few;
  const auto of_video = *alone.try_generate(prompt, test_video());
  const auto of_image = *alone.try_generate(prompt, std::span<const llava::image>(&picture("tall"), 1));
  CHECK(of_video.prompt_tokens != of_image.prompt_tokens);
  auto batch = model.batch();
  CHECK(*batch.try_add(prompt, std::span<const llava::image>(&picture("tall"), 1), few) == 0);
  CHECK(*batch.try_add(prompt, test_video(), few) == 1);
  const auto answers = *batch.try_run();
  CHECK(answers[0]->tokens == of_image.tokens);
  CHECK(answers[1]->tokens == of_video.tokens);
  CHECK(answers[1]->prompt_tokens == of_video.prompt_tokens);
}

TEST_CASE("R2: a video that a model cannot take is refused before it is encoded", "[pipeline]") {
  const auto images_alone = open(golden::folder("original_anyres"));
  const std::string none =
      "llava: this model takes no videos (config.json has no mm_spatial_pool_mode); give it frames as images";
  CHECK(images_alone.session().try_ask(test_video(), "What?").error().sentence() == none);
  CHECK(images_alone.try_count_image_tokens(test_video()).error().sentence() == none);
  CHECK(images_alone.try_image_tokens(test_video()).error().sentence() == none);
  CHECK(images_alone.batch().try_add("<image>", test_video()).error().sentence() == none);
  const original_folder folder("llava-video-long", "\"mm_spatial_pool_mode\": \"average\"");
  const auto small = open(folder.path.string(), 64);
  const auto many = *llava::video::try_make(std::vector<llava::image>(100, picture("tall")));
  const auto refused = small.session().try_ask(many, "What?");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sentence() == "llava: the images have 401 image tokens, expected at most the context of 64");
}
