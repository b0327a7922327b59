// SPDX-License-Identifier: Apache-2.0
/// What a service tells of its models: the entries of /v1/models, and /metrics.
#pragma once
#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <llava/checkpoint/written_json.hpp>
#include <llava/serve/metrics.hpp>
#include <llava/serve/served_model.hpp>

LLAVA_BEGIN
namespace serve {

/// An entry of /v1/models. `created`: seconds since 1970.
inline std::string model_json(const served_model& m, std::int64_t created) {
  std::string out = "{\"id\": ";
  llava::detail::append_json_string(m.id, out);
  const bool sees = m.model->opened.description.has_vision;
  return out += text_of(", \"object\": \"model\", \"created\": ", created,
                        ", \"owned_by\": \"llava\", \"context\": ", m.model->context, ", \"modalities\": [\"text\"",
                        sees ? ", \"image\"" : "", "]}");
}

/// The text of /metrics.
inline std::string metrics_text(const std::vector<std::shared_ptr<served_model>>& models) {
  struct values {
    const served_model& of;
    std::string label;
    engine_counts counts;
    std::uint64_t answers, running;
  };
  std::vector<values> all;
  for (const auto& m : models) {
    const engine_counts counts = m->model->engine().counts();
    const std::uint64_t answers = m->answers->count();
    all.push_back({*m, model_label(m->id), counts, answers,
                   (std::min)(answers, static_cast<std::uint64_t>((std::max)(counts.running, 0)))});
  }
  std::string out;
  const auto metric = [&](std::string_view name, std::string_view type, std::string_view help, auto value) {
    append_metric_head(out, name, type, help);
    for (const values& v : all)
      out.append(name).append("{").append(v.label).append("} ").append(std::to_string(value(v))).append("\n");
  };
  metric("llava_answers_running", "gauge", "Answers that take part in steps.", [](auto& v) { return v.running; });
  metric("llava_answers_waiting", "gauge", "Answers that wait for room.",
         [](auto& v) { return v.answers - v.running; });
  metric("llava_kv_blocks", "gauge", "Blocks of the KV cache.", [](auto& v) { return v.of.model->blocks->count(); });
  metric("llava_kv_blocks_used", "gauge", "Blocks of the KV cache that running answers hold.",
         [](auto& v) { return v.of.model->blocks->count() - v.of.model->blocks->available(); });
  metric("llava_requests_total", "counter", "Requests that have begun.", [](auto& v) { return v.of.requests.load(); });
  metric("llava_requests_refused_total", "counter", "Requests refused because too many waited.",
         [](auto& v) { return v.of.refused.load(); });
  metric("llava_requests_dropped_total", "counter", "Requests whose client went away.",
         [](auto& v) { return v.of.dropped.load(); });
  metric("llava_prompt_tokens_total", "counter", "Tokens of prompts of ended answers, image tokens included.",
         [](auto& v) { return v.counts.prompt_tokens; });
  metric("llava_cached_prompt_tokens_total", "counter", "Of these, tokens that were in the KV cache.",
         [](auto& v) { return v.counts.reused_tokens; });
  metric("llava_generated_tokens_total", "counter", "New tokens of ended answers.",
         [](auto& v) { return v.counts.new_tokens; });
  metric("llava_encoded_images_total", "counter", "Images that the vision tower has encoded.",
         [](auto& v) { return v.counts.encoded_images; });
  metric("llava_reused_images_total", "counter", "Images whose image tokens were known.",
         [](auto& v) { return v.counts.reused_images; });
  metric("llava_steps_total", "counter", "Steps of the language model.", [](auto& v) { return v.counts.steps; });
  metric("llava_preemptions_total", "counter", "Answers that gave up their place in the KV cache.",
         [](auto& v) { return v.counts.preemptions; });
  metric("llava_response_formats_compiled_total", "counter", "Response formats that were not known from earlier ones.",
         [](auto& v) { return v.of.masks.made(); });
  append_metric_head(out, "llava_time_to_first_token_seconds", "histogram", "From a request's arrival.");
  for (const values& v : all) v.of.first_token.append_to(out, "llava_time_to_first_token_seconds", v.label);
  append_metric_head(out, "llava_inter_token_seconds", "histogram", "Between two tokens of an answer.");
  for (const values& v : all) v.of.next_token.append_to(out, "llava_inter_token_seconds", v.label);
  return out;
}

}  // namespace serve
LLAVA_END
