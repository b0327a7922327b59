// SPDX-License-Identifier: Apache-2.0
/// Reads a folder's generation settings: the tokens that begin a prompt and end an answer, sampling, penalties. If
/// generation_config.json exists, only that file counts. Otherwise config.json counts, before its text_config and the
/// defaults of the language model, and a sampling value equal to its default counts as absent. This is how transformers
/// 4.57 reads them.
///
/// Unsupported keys that change the logits or end answers are errors unless their value has no effect. Search keys
/// (num_beams, penalty_alpha, …) are not read: a caller chooses the search. max_length is not read either, since
/// max_new_tokens takes precedence.
#pragma once
#include <string>
#include <vector>

#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/model_description.hpp>
#include <llava/checkpoint/text_config.hpp>
#include <llava/checkpoint/vision_config.hpp>

LLAVA_BEGIN

namespace detail {

/// Reads a list of token ids, or a single id where `may_be_one`.
inline result<void> try_read_tokens(const json_object& o, const char* key, bool may_be_one,
                                    std::vector<std::int32_t>& to) {
  const json_value* v = o.find(key);
  if (!v) return {};
  const std::string_view expected = may_be_one ? "a token id, or a list of token ids" : "a list of token ids";
  if (!v->is_array() && !may_be_one) return o.wrong(key, expected);
  to.clear();
  for (const json_value& e : v->is_array() ? v->items() : json_value::array{*v}) {
    const auto id = e.integer();
    if (!id || *id < 0 || *id > INT32_MAX) return o.wrong(key, expected);
    to.push_back(static_cast<std::int32_t>(*id));
  }
  return {};
}

/// Reads a value into `to` unless it equals the default, `usual`.
template <class T>
result<void> try_read_stated(const json_object& o, const char* key, T usual, T& to) {
  T value = usual;
  LLAVA_CHECK(o.read(key, value));
  if (!(value == usual)) to = value;
  return {};
}

/// Returns an error for an unsupported key whose value changes the logits or ends answers.
inline result<void> try_confirm_no_other_penalty(const json_object& o) {
  struct other {
    const char* key;
    double none;  // the number without effect, besides null, false and an empty list
  };
  for (const other& k : {other{"no_repeat_ngram_size", 0},
                         {"encoder_no_repeat_ngram_size", 0},
                         {"encoder_repetition_penalty", 1},
                         {"guidance_scale", 1},
                         {"min_length", 0},
                         {"min_new_tokens", 0},
                         {"typical_p", 1},
                         {"epsilon_cutoff", 0},
                         {"eta_cutoff", 0},
                         {"bad_words_ids", 0},
                         {"begin_suppress_tokens", 0},
                         {"sequence_bias", 0},
                         {"forced_bos_token_id", -1},
                         {"forced_eos_token_id", -1},
                         {"exponential_decay_length_penalty", 0},
                         {"watermarking_config", 0},
                         {"stop_strings", 0}}) {
    const json_value* v = o.find(k.key);
    if (!v || v->number() == k.none || (v->boolean() && !*v->boolean()) || (v->is_array() && v->items().empty()))
      continue;
    return o.unsupported(k.key, "set", "none; remove the key from the file to generate without it");
  }
  return {};
}

inline result<void> try_read_generation(const json_object& o, generation_defaults& g) {
  const generation_defaults usual;
  LLAVA_CHECK(try_read_stated(o, "do_sample", usual.do_sample, g.do_sample));
  LLAVA_CHECK(try_read_stated(o, "temperature", usual.temperature, g.temperature));
  LLAVA_CHECK(try_read_stated(o, "top_p", usual.top_p, g.top_p));
  LLAVA_CHECK(try_read_stated(o, "top_k", usual.top_k, g.top_k));
  LLAVA_CHECK(try_read_stated(o, "repetition_penalty", usual.repetition_penalty, g.repetition_penalty));
  LLAVA_CHECK(try_read_tokens(o, "suppress_tokens", false, g.suppress_tokens));
  LLAVA_CHECK(o.read("max_new_tokens", g.max_new_tokens));
  LLAVA_CHECK(o.read("min_p", g.min_p));
  if (!(g.top_p >= 0.f && g.top_p <= 1.f)) return o.wrong("top_p", "0 to 1");
  if (!(g.min_p >= 0.f && g.min_p <= 1.f)) return o.wrong("min_p", "0 to 1");
  if (g.top_k < 0) return o.wrong("top_k", "0 (all tokens) or a positive number");
  if (!(g.repetition_penalty > 0.f)) return o.wrong("repetition_penalty", "a positive number");
  if (o.has("max_new_tokens") && g.max_new_tokens < 1) return o.wrong("max_new_tokens", "at least 1");
  // Without do_sample the temperature is unused, and some files set it to 0.
  if (g.do_sample && !(g.temperature > 0.f)) return o.wrong("temperature", "a positive number when do_sample is true");
  return try_confirm_no_other_penalty(o);
}

/// Reads the begin and end tokens and the settings; `root` is config.json.
inline result<void> try_read_generation_config(const std::string& folder, const json_object& root,
                                               model_description& d) {
  const auto no_limit_if_null = [&](const json_object& o) {
    if (o.contains("top_k") && !o.has("top_k")) d.generation.top_k = 0;
  };
  const auto read = [&](const json_object& o) -> result<void> {
    LLAVA_CHECK(o.read("bos_token_id", d.bos));
    LLAVA_CHECK(try_read_tokens(o, "eos_token_id", true, d.eos));
    if (d.eos.size() > 64) return o.wrong("eos_token_id", "at most 64 tokens");
    return try_read_generation(o, d.generation);
  };
  if (file_exists(folder + "/generation_config.json")) {
    LLAVA_TRY(json, json_document::try_read(folder + "/generation_config.json"));
    const json_object only = json.root();
    LLAVA_CHECK(read(only));
    no_limit_if_null(only);
    return {};
  }
  LLAVA_TRY(inner, root.object("text_config"));
  const json_object text = root.has("text_config") ? inner : root;
  std::string type = "llama";
  LLAVA_CHECK(text.read("model_type", type));
  if (const std::string_view kind = text_kind(text, type); kind == "llama" || kind == "mistral") {
    if (!text.contains("bos_token_id")) d.bos = 1;
    if (!text.contains("eos_token_id")) d.eos = {2};
  }
  LLAVA_CHECK(read(text));
  no_limit_if_null(inner);
  return read(root);
}

}  // namespace detail

LLAVA_END
