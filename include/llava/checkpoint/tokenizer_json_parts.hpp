// SPDX-License-Identifier: Apache-2.0
/// Reads the normaliser, pre-tokeniser, post-processor and decoder of a tokenizer.json, as far as the tokenizers of
/// LLaVA's language models use them. Any other component is an error that names it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/json.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/tokenizer_state.hpp>

LLAVA_BEGIN

namespace detail {

class tokenizer_json_parts {
 public:
  tokenizer_json_parts(std::string_view file, tokenizer_rules& rules) : file_(file), rules_(rules) {}

  result<void> try_read(const json_object& root) {
    LLAVA_CHECK(each_part(root, "normalizer", "normalizers",
                          [&](const json_object& o, std::string_view type) { return try_normalizer(o, type); }));
    LLAVA_CHECK(each_part(root, "pre_tokenizer", "pretokenizers",
                          [&](const json_object& o, std::string_view type) { return try_pre_tokenizer(o, type); }));
    LLAVA_CHECK(each_part(root, "post_processor", "processors",
                          [&](const json_object& o, std::string_view type) { return try_post_processor(o, type); }));
    LLAVA_CHECK(each_part(root, "decoder", "decoders",
                          [&](const json_object& o, std::string_view type) { return try_decoder(o, type); }));
    return try_check_decoder();
  }
  bool byte_level() const { return byte_level_; }
  bool has_post_processor() const { return has_post_processor_; }

 private:
  error unknown(std::string_view kind, std::string_view what) const {
    return fail(errc::unsupported, text_of("llava: ", file_, ": ", kind, " ", shown(what), " is not supported"));
  }

  static constexpr std::size_t most_steps = 16;
  error too_many(std::string_view kind) const {
    return fail(errc::unsupported, text_of("llava: ", file_, ": ", kind, " has more than ", most_steps, " steps"));
  }

  /// Calls `part` for a component, or for each component of a Sequence. Sequences cannot be nested.
  template <class Part>
  result<void> each_part(const json_object& root, const char* key, const char* list, Part&& part) {
    if (!root.has(key)) return {};
    LLAVA_TRY(outer, root.object(key));
    std::string type;
    LLAVA_CHECK(outer.read("type", type));
    if (type != "Sequence") return part(outer, type);
    const json_value* parts = outer.find(list);
    if (!parts || !parts->is_array()) return outer.wrong(list, "a list");
    for (const json_value& p : parts->items()) {
      if (!p.is_object()) return outer.wrong(list, "a list of objects");
      const json_object inner(file_, std::string(key) + ".", &p);
      type.clear();
      LLAVA_CHECK(inner.read("type", type));
      LLAVA_CHECK(part(inner, type));
    }
    return {};
  }

  result<void> try_normalizer(const json_object& o, std::string_view type) {
    std::vector<normaliser>& all = rules_.words.normalisers;
    if (all.size() >= most_steps) return too_many("normalizer");
    if (type == "NFC" || type == "NFKC" || type == "Lowercase") {
      all.push_back(type == "NFC" ? normaliser::nfc : type == "NFKC" ? normaliser::nfkc : normaliser::lowercase);
      return {};
    }
    if (type == "Prepend") {
      all.push_back(normaliser::prepend_mark);
      return try_mark(o, "prepend");
    }
    if (type == "Replace") {
      LLAVA_TRY(pattern, o.object("pattern"));
      std::string from, to;
      LLAVA_CHECK(pattern.read("String", from));
      LLAVA_CHECK(o.read("content", to));
      if (from != " " || to != space_mark)
        return unknown("normalizer Replace of", text_of("'", from, "' by '", to, "'"));
      all.push_back(normaliser::replace_spaces);
      return {};
    }
    return unknown("normalizer", type);
  }

  result<void> try_mark(const json_object& o, const char* key) {
    std::string text;
    LLAVA_CHECK(o.read(key, text));
    if (text != space_mark) return unknown(key, text);
    return {};
  }

  result<void> try_pre_tokenizer(const json_object& o, std::string_view type) {
    word_rules& w = rules_.words;
    const bool first = !byte_level_ && !w.metaspace && w.cuts.empty();
    if (type == "Metaspace" && first) {
      LLAVA_TRY(scheme, try_scheme(o));
      w.metaspace = w.splits_at_marks = true;
      w.prefix = scheme;
      LLAVA_CHECK(o.read("split", w.splits_at_marks));
      return try_mark(o, "replacement");
    }
    if (type == "ByteLevel" && !byte_level_ && !w.metaspace) {
      bool pattern = true;
      w.prefix_space = true;
      LLAVA_CHECK(o.read("use_regex", pattern));
      LLAVA_CHECK(o.read("add_prefix_space", w.prefix_space));
      if (w.prefix_space && !w.cuts.empty())
        return unknown("pre_tokenizer ByteLevel", "with add_prefix_space after others");
      byte_level_ = true;
      if (pattern) w.cuts.push_back(splitter::gpt2);
      return {};
    }
    if (type != "Digits" && type != "Punctuation" && type != "Split")
      return unknown("pre_tokenizer", first ? std::string(type) : text_of(type, " at this position"));
    if (w.metaspace) return unknown("pre_tokenizer", text_of(type, " after Metaspace"));
    if (w.cuts.size() + w.letter_cuts.size() >= most_steps) return too_many("pre_tokenizer");
    LLAVA_TRY(cut, type == "Digits" ? try_digits(o) : type == "Punctuation" ? try_punctuation(o) : try_split(o));
    if (byte_level_ && !looks_at_characters(cut))
      return unknown("pre_tokenizer", text_of(type, " with a pattern of words after ByteLevel"));
    (byte_level_ ? w.letter_cuts : w.cuts).push_back(cut);
    return {};
  }

  result<splitter> try_digits(const json_object& o) const {
    bool alone = false;
    LLAVA_CHECK(o.read("individual_digits", alone));
    return alone ? splitter::digits : splitter::digit_runs;
  }

  result<splitter> try_punctuation(const json_object& o) const {
    std::string behavior = "Isolated";
    LLAVA_CHECK(o.read("behavior", behavior));
    if (behavior == "Isolated") return splitter::punctuation;
    if (behavior == "Contiguous") return splitter::punctuation_runs;
    return o.unsupported("behavior", behavior, "Isolated or Contiguous for Punctuation");
  }

  result<splitter> try_split(const json_object& o) const {
    static constexpr std::pair<std::string_view, splitter> patterns[] = {
        {split_patterns::gpt2, splitter::gpt2},
        {split_patterns::llama3, splitter::llama3},
        {split_patterns::qwen2, splitter::qwen2},
        {split_patterns::qwen3_5, splitter::qwen3_5},
        {split_patterns::three_digits, splitter::three_digits}};
    LLAVA_TRY(pattern, o.object("pattern"));
    std::string regex, text, behavior;
    bool invert = false;
    LLAVA_CHECK(pattern.read("Regex", regex));
    LLAVA_CHECK(pattern.read("String", text));
    LLAVA_CHECK(o.read("behavior", behavior));
    LLAVA_CHECK(o.read("invert", invert));
    for (const auto& [known, how] : patterns) {
      if (regex != known) continue;
      // The patterns of words match every character, so both behaviours give the same words.
      if (behavior == "Isolated" ? how != splitter::three_digits || !invert
                                 : behavior == "Removed" && invert && how != splitter::three_digits)
        return how;
      return unknown("pre_tokenizer Split with behavior", text_of(behavior, invert ? " and invert" : ""));
    }
    return regex.empty() ? unknown("pre_tokenizer Split by the text", text_of("'", text, "'"))
                         : unknown("pre_tokenizer pattern", regex);
  }

  result<prefix_mark> try_scheme(const json_object& o) {
    std::string scheme = "always";
    bool adds = true;
    LLAVA_CHECK(o.read("add_prefix_space", adds));  // in older files
    LLAVA_CHECK(o.read("prepend_scheme", scheme));
    if (scheme != "always" && scheme != "first" && scheme != "never")
      return o.unsupported("prepend_scheme", scheme, "always, first or never");
    if (!adds || scheme == "never") return prefix_mark::never;
    return scheme == "first" ? prefix_mark::first : prefix_mark::always;
  }

  result<void> try_post_processor(const json_object& o, std::string_view type) {
    has_post_processor_ = true;
    if (type == "ByteLevel") return {};  // changes offsets only
    if (type != "TemplateProcessing") return unknown("post_processor", type);
    const json_value* single = o.find("single");
    if (!single || !single->is_array()) return o.wrong("single", "a list");
    LLAVA_TRY(specials, o.object("special_tokens"));
    bool behind = false;
    for (const json_value& part : single->items()) {
      if (!part.is_object()) return o.wrong("single", "a list of objects");
      if (part.find("Sequence")) {
        behind = true;
        continue;
      }
      const json_object step(file_, "post_processor.single.", &part);
      std::string name;
      LLAVA_TRY(token, step.object("SpecialToken"));
      LLAVA_CHECK(token.read("id", name));
      const json_value* about = specials.find(name.c_str());
      const json_value* ids = about ? about->find("ids") : nullptr;
      if (!ids || !ids->is_array())
        return o.wrong("special_tokens", text_of("an object with the ids of '", shown(name), "'"));
      for (const json_value& v : ids->items()) {
        const auto id = v.integer();
        if (!id || *id < 0 || *id > INT32_MAX)
          return o.wrong("special_tokens", "an object with non-negative 32-bit integers for ids");
        (behind ? rules_.after : rules_.before).push_back(static_cast<std::int32_t>(*id));
      }
    }
    return {};
  }

  result<void> try_decoder(const json_object& o, std::string_view type) {
    decoding_rules& d = rules_.decoder;
    decoders_ += text_of(decoders_.empty() ? "" : " ", type);
    if (type == "Strip") {
      std::string content = " ";
      int stop = 0;
      LLAVA_CHECK(o.read("content", content));
      LLAVA_CHECK(o.read("start", d.strip));
      LLAVA_CHECK(o.read("stop", stop));
      if (content != " " || d.strip < 0 || stop != 0)
        return unknown("decoder Strip", "that removes anything but leading spaces");
    } else if (type == "Replace") {
      LLAVA_TRY(pattern, o.object("pattern"));
      std::string from, to;
      LLAVA_CHECK(pattern.read("String", from));
      LLAVA_CHECK(o.read("content", to));
      if (from != space_mark || to != " ") return unknown("decoder Replace of", text_of("'", from, "' by '", to, "'"));
    } else if (type == "Metaspace") {
      LLAVA_TRY(scheme, try_scheme(o));
      d.drops_first = scheme != prefix_mark::never;
      return try_mark(o, "replacement");
    }
    return {};
  }

  /// Decoders are recognised as whole chains, each of which is one mode of text_decoder.
  result<void> try_check_decoder() {
    decoding_rules& d = rules_.decoder;
    if (decoders_.empty())
      d.how = decoding::spaced;
    else if (decoders_ == "ByteLevel")
      d.how = decoding::byte_level;
    else if (decoders_ == "Metaspace")
      d.how = decoding::metaspace;
    else if (decoders_ == "Replace ByteFallback Fuse Strip" || decoders_ == "Replace ByteFallback Fuse" ||
             decoders_ == "ByteFallback Fuse" || decoders_ == "ByteFallback Fuse Strip" ||
             decoders_ == "Replace Fuse" || decoders_ == "Replace Fuse Strip") {
      d.how = decoding::byte_fallback;
      d.marks = decoders_.find("Replace") != std::string::npos;
      d.bytes = decoders_.find("ByteFallback") != std::string::npos;
    } else
      return unknown("the chain of decoders", decoders_);
    // Pieces of a byte-level vocabulary are stored as bytes, so only the byte-level decoder fits.
    if (byte_level_ != (d.how == decoding::byte_level))
      return unknown("the decoder", text_of(decoders_.empty() ? "(none)" : decoders_, " with this pre_tokenizer"));
    return {};
  }

  std::string_view file_;
  tokenizer_rules& rules_;
  std::string decoders_;
  bool byte_level_ = false, has_post_processor_ = false;
};

}  // namespace detail

LLAVA_END
