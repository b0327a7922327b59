// SPDX-License-Identifier: Apache-2.0
/// llava ask: asks one question about images or a video, with the options of the reference (LLaVA's run_llava).
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include <llava/checkpoint/written_json.hpp>

#include "command.hpp"
#include "option_rules.hpp"

namespace {

struct ask_options {
  model_options model;
  image_file_options image_files;
  std::optional<std::string> images, video, lora;
  int frames = llava::frame_request().most;
  std::string query, separator = ",";
  llava::generation_settings settings;
  std::vector<double> biases;  // a token and its bias, and so on
  bool json = false;
};

/// The log-probability of each new token, and the likeliest tokens in its place; null is -infinity.
std::string json_of_logprobs(const llava::answer& a) {
  if (a.logprobs.empty()) return {};
  const auto number = [](float x) { return std::isfinite(x) ? std::to_string(x) : std::string("null"); };
  std::string chosen, likeliest;
  const std::size_t k = a.top_logprobs.size() / a.tokens.size();
  for (std::size_t i = 0; i < a.tokens.size(); ++i) {
    chosen += (i ? ", " : "") + number(a.logprobs[i]);
    likeliest += i ? "], [" : "[";
    for (std::size_t j = 0; j < k; ++j) {
      const llava::token_logprob& t = a.top_logprobs[i * k + j];
      likeliest += std::string(j ? ", " : "") + "{\"token\": " + std::to_string(t.token) +
                   ", \"logprob\": " + number(t.logprob) + "}";
    }
  }
  return ", \"logprobs\": [" + chosen + "], \"top_logprobs\": [" + likeliest + "]]";
}

/// `seconds` names each of the parts of the run: the model's opening is not part of an answer.
std::string json_of(const llava::answer& a, const llava::chat_description& d, double to_open) {
  std::string out = "{\"text\": " + llava::json_string(a.text) + ", \"finish_reason\": \"" +
                    std::string(name_of(a.reason)) + "\", \"prompt_tokens\": " + std::to_string(a.prompt_tokens) +
                    ", \"tokens\": [";
  for (std::size_t i = 0; i < a.tokens.size(); ++i) out += (i ? ", " : "") + std::to_string(a.tokens[i]);
  out += "]" + json_of_logprobs(a) + ", \"conversation\": " + llava::json_string(d.conversation) +
         ", \"conversation_reason\": " + llava::json_string(d.conversation_reason) +
         ", \"conversation_guessed\": " + (d.conversation_guessed ? "true" : "false");
  out += ", \"seconds\": {\"open\": " + std::to_string(to_open);
  for (const auto& [name, part] : {std::pair("prepare", a.seconds.prepare), std::pair("prefill", a.seconds.prefill),
                                   std::pair("decode", a.seconds.decode)})
    out += ", \"" + std::string(name) + "\": " + std::to_string(part);
  return out + "}}";
}

void ask(const ask_options& o) {
  const std::vector<llava::image> images = value_or_give_up(try_read_images(o.images, o.separator, o.image_files));
  const auto start = std::chrono::steady_clock::now();
  const llava::chat_model model = value_or_give_up(o.model.try_open_to_ask());
  const std::chrono::duration<double> to_open = std::chrono::steady_clock::now() - start;
  llava::chat_session chat = model.session();
  chat.settings = o.settings;
  if (o.lora) chat.adapter = value_or_give_up(model.try_load_adapter(*o.lora));
  std::optional<llava::video> video;
  if (o.video)
    video = value_or_give_up(
        try_read_any_video(*o.video, {o.frames, model.description().force_sample}, o.image_files.options()));
  const auto show = [&](std::string_view piece) {
    if (!o.json) print(piece);
  };
  const llava::answer a =
      value_or_give_up(video ? chat.try_ask(*video, o.query, show) : chat.try_ask(images, o.query, show));
  print((o.json ? json_of(a, model.description(), to_open.count()) : std::string()) + "\n");
}

}  // namespace

void add_ask(CLI::App& app) {
  CLI::App& command = *app.add_subcommand("ask", "Ask a question about images or a video");
  const auto o = std::make_shared<ask_options>();
  o->settings.temperature = 0.2f;  // run_llava's defaults; other settings are the folder's
  o->settings.top_p = 1.f;
  o->settings.max_new_tokens = 512;
  o->model.add_to(command);
  command.add_option("--image-file", o->images,
                     "Image, or several separated by --sep; default: none, a question about text");
  o->image_files.add_to(command);
  command
      .add_option("--video", o->video,
                  "A video in place of images: a folder of JPEG or PNG frames, a GIF or WebP animation, a video file")
      ->excludes("--image-file");
  command.add_option("--frames", o->frames, "The most frames of the video that the model sees")
      ->check(CLI::Range(1, llava::video_limits::frames))
      ->needs("--video");
  may_be_empty(
      *command.add_option("--query", o->query, "The question; <image> marks the place of an image")->required());
  may_be_empty(*command.add_option("--sep", o->separator, "Separator of images"));
  add_generation_options(command, o->settings);
  command
      .add_option("--num_beams,--num-beams", o->settings.num_beams,
                  "Beams of a search for the likeliest answer; more than 1 need --temperature 0")
      ->check(CLI::Range(1, llava::generation_limits::beams));
  command
      .add_option("--presence-penalty", o->settings.presence_penalty,
                  "Subtracted from the logits of tokens that the answer has")
      ->check(CLI::Range(-2.0, 2.0));
  command
      .add_option("--frequency-penalty", o->settings.frequency_penalty,
                  "Subtracted from a token's logit for each time that the answer has it")
      ->check(CLI::Range(-2.0, 2.0));
  command.add_option("--logit-bias", o->biases, "ID BIAS: added to the logit of this token; may be repeated")
      ->type_size(2);
  command.add_option("--stop-token-id", o->settings.stop_token_ids, "Token that ends the answer; may be repeated");
  auto* const json = command.add_flag("--json", o->json, "Print one JSON object instead of text");
  command
      .add_option("--top-logprobs", o->settings.top_logprobs,
                  "Print each token's log-probability and those of this many likeliest tokens in its place")
      ->check(CLI::Range(0, llava::generation_limits::top_logprobs))
      ->needs(json)
      ->each([o](const std::string&) { o->settings.logprobs = true; });
  command.add_option("--lora", o->lora, "Folder of an adapter (LoRA) that is added live; the model's weights stay");
  command.callback([o] {
    o->model.adapted = o->lora.has_value();
    for (std::size_t i = 0; i + 1 < o->biases.size(); i += 2) {
      const double id = o->biases[i];
      const bool is_id = id >= 0 && id <= 2147483647. && id == std::floor(id);  // -1 is refused with the model's range
      o->settings.logit_bias.push_back(
          {is_id ? static_cast<std::int32_t>(id) : -1, static_cast<float>(o->biases[i + 1])});
    }
    ask(*o);
  });
}
