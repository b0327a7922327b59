// SPDX-License-Identifier: Apache-2.0
/// Definitions of answer_fields.hpp.
#pragma once
#include <charconv>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include <llava/serve/answer_fields.hpp>
#include <llava/serve/response_format_inl.hpp>

LLAVA_BEGIN
namespace serve {
namespace detail {

inline result<void> try_read_stop(request_fields& fields, generation_settings& s) {
  constexpr std::string_view expected = "a string, or a list of at most 256 strings, each of 1 to 4096 bytes";
  if (const json_value* v = fields.take("stop")) {
    std::vector<json_value> one;
    if (v->text()) one.push_back(*v);
    const json_value::array& all = v->text() ? one : v->items();
    if ((!v->text() && !v->is_array()) || all.size() > generation_limits::stop_texts)
      return fields.must_be("stop", expected);
    for (const json_value& text : all) {
      if (!text.text() || text.text()->empty() || text.text()->size() > generation_limits::stop_bytes)
        return fields.must_be("stop", expected);
      s.stop.push_back(*text.text());
    }
  }
  if (const json_value* v = fields.take("stop_token_ids")) {
    if (!v->is_array() || v->items().size() > generation_limits::stop_tokens)
      return fields.must_be("stop_token_ids", "a list of at most 1024 tokens");
    for (const json_value& token : v->items()) {
      const auto id = token.integer();
      if (!id || *id < 0 || *id > INT32_MAX) return fields.must_be("stop_token_ids", "a list of tokens, from 0");
      s.stop_token_ids.push_back(static_cast<std::int32_t>(*id));
    }
  }
  return {};
}

/// {"token": bias}
inline result<void> try_read_bias(request_fields& fields, generation_settings& s) {
  const json_value* v = fields.take("logit_bias");
  if (!v) return {};
  constexpr std::string_view expected = "an object from tokens, as strings, to numbers from -100 to 100";
  if (!v->is_object()) return fields.must_be("logit_bias", expected);
  for (const auto& [name, bias] : v->members()) {
    std::int32_t token = 0;
    const auto [end, failure] = std::from_chars(name.data(), name.data() + name.size(), token);
    const auto number = bias.number();
    if (failure != std::errc() || end != name.data() + name.size() || token < 0 || !number ||
        !(*number >= -100 && *number <= 100))
      return fields.must_be("logit_bias", expected);
    s.logit_bias.push_back({token, static_cast<float>(*number)});
  }
  return {};
}

inline result<void> try_read_sampling(request_fields& fields, generation_settings& s) {
  LLAVA_TRY(temperature, fields.number("temperature", 0, 100, "0 (the likeliest token) to 100"));
  LLAVA_TRY(top_p, fields.number("top_p", 0, 1, "0 to 1"));
  LLAVA_TRY(top_k, fields.integer("top_k", 0, 1 << 24));
  LLAVA_TRY(min_p, fields.number("min_p", 0, 1, "0 to 1"));
  LLAVA_TRY(presence, fields.number("presence_penalty", -2, 2, "-2 to 2"));
  LLAVA_TRY(frequency, fields.number("frequency_penalty", -2, 2, "-2 to 2"));
  LLAVA_TRY(repetition, fields.number("repetition_penalty", 0.01, 100, "0.01 to 100; 1 is no penalty"));
  LLAVA_TRY(ignore_eos, fields.flag("ignore_eos"));
  s.temperature = temperature, s.top_p = top_p, s.min_p = min_p, s.repetition_penalty = repetition;
  if (top_k) s.top_k = static_cast<int>(*top_k);
  s.presence_penalty = presence.value_or(0.f), s.frequency_penalty = frequency.value_or(0.f);
  s.ignore_eos = ignore_eos;
  return {};
}

}  // namespace detail

LLAVA_INLINE result<answer_fields> try_read_answer_fields(request_fields& fields) {
  answer_fields read;
  LLAVA_TRY(stream, fields.flag("stream"));
  read.stream = stream;
  if (const json_value* options = fields.take("stream_options")) {
    if (!options->is_object()) return fields.must_be("stream_options", "an object");
    if (!stream) return fields.refuse("stream_options", "needs stream to be true");
    request_fields of_stream(*options, fields.path_of("stream_options."), fields.param());
    LLAVA_TRY(usage, of_stream.flag("include_usage"));
    read.include_usage = usage;
    LLAVA_CHECK(of_stream.neutral("include_obfuscation", "false", is_flag(false)));
    LLAVA_CHECK(of_stream.try_finish());
  }
  LLAVA_TRY(n, fields.integer("n", 1, most_answers));
  read.n = static_cast<int>(n.value_or(1));
  LLAVA_TRY(seed, fields.integer("seed", (std::numeric_limits<std::int64_t>::min)(),
                                 (std::numeric_limits<std::int64_t>::max)()));
  read.has_seed = seed.has_value();
  read.settings.seed = static_cast<std::uint64_t>(seed.value_or(0));
  LLAVA_TRY(most, fields.integer("max_tokens", 1, 1 << 24));
  LLAVA_TRY(newer, fields.integer("max_completion_tokens", 1, 1 << 24));
  if (most && newer && *most != *newer)
    return fields.refuse("max_tokens", "and max_completion_tokens are one thing; send one of them");
  if (most || newer) read.settings.max_new_tokens = static_cast<int>(most ? *most : *newer);
  LLAVA_CHECK(detail::try_read_sampling(fields, read.settings));
  LLAVA_CHECK(detail::try_read_stop(fields, read.settings));
  LLAVA_CHECK(detail::try_read_bias(fields, read.settings));
  LLAVA_TRY(format, try_read_response_format(fields));
  read.format = std::move(format);
  fields.ignore(
      {"user", "metadata", "service_tier", "safety_identifier", "prompt_cache_key", "prompt_cache_retention"});
  LLAVA_CHECK(fields.neutral("store", "false", is_flag(false)));
  LLAVA_CHECK(fields.neutral("best_of", "1", is_number(1)));
  LLAVA_CHECK(fields.neutral("skip_special_tokens", "true", is_flag(true)));
  LLAVA_CHECK(fields.neutral("use_beam_search", "false", is_flag(false)));
  LLAVA_CHECK(try_check(read.settings, &fields.param()));  // a token with two biases
  return read;
}

}  // namespace serve
LLAVA_END
