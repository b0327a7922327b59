// SPDX-License-Identifier: Apache-2.0
/// tokenizer.json of the Hugging Face tokenizers library, for BPE models: LLaMA's (byte fallback, ▁ for space) and the
/// byte-level ones of GPT-2, Llama 3 and Qwen2. A component that is not known is an error that names it.
#pragma once
#include <string>

#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/text/tokenizer.hpp>

LLAVA_BEGIN

namespace detail {

/// Reads one tokenizer.json into `d`.
class tokenizer_json_reader {
 public:
  tokenizer_json_reader(std::string_view file, tokenizer_data& d) : file_(file), d_(d) {}

  result<void> try_read(const json_value& root) {
    if (!root.is_object()) return bad("expected an object");
    const json_object o(file_, {}, &root);
    LLAVA_CHECK(try_read_model(o));
    LLAVA_CHECK(try_read_added(o));
    LLAVA_CHECK(each_part(o, "normalizer", "normalizers", [&](const json_object& part, std::string_view type) { return try_normalizer(part, type); }));
    LLAVA_CHECK(each_part(o, "pre_tokenizer", "pretokenizers", [&](const json_object& part, std::string_view type) { return try_pre_tokenizer(part, type); }));
    LLAVA_CHECK(each_part(o, "post_processor", "processors", [&](const json_object& part, std::string_view type) { return try_post_processor(part, type); }));
    return each_part(o, "decoder", "decoders", [&](const json_object& part, std::string_view type) { return try_decoder(part, type); });
  }

 private:
  error bad(std::string_view what) const { return fail(errc::invalid_format, text_of("llava: ", file_, ": ", what)); }
  error unknown(std::string_view kind, std::string_view what) const {
    return fail(errc::unsupported, text_of("llava: ", file_, ": ", kind, " ", what, " is not one that is read"));
  }

  /// A component, or those of a Sequence.
  template <class Part>
  result<void> each_part(const json_object& o, const char* key, const char* list, Part&& part) {
    if (!o.has(key)) return {};
    LLAVA_TRY(outer, o.object(key));
    std::string type;
    LLAVA_CHECK(outer.read("type", type));
    if (type != "Sequence") return part(outer, type);
    const json_value* parts = outer.find(list);
    if (!parts || !parts->is_array()) return outer.wrong(list, "a list");
    for (const json_value& p : parts->items()) {
      if (!p.is_object()) return outer.wrong(list, "a list of objects");
      const json_object inner(file_, std::string(key) + ".", &p);
      LLAVA_CHECK(inner.read("type", type));
      LLAVA_CHECK(part(inner, type));
    }
    return {};
  }

  result<void> try_read_model(const json_object& root) {
    LLAVA_TRY(model, root.object("model"));
    std::string type = "BPE", unk;
    LLAVA_CHECK(model.read("type", type));
    if (type != "BPE") return unknown("model", type);
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      std::string text;
      LLAVA_CHECK(model.read(key, text));
      if (!text.empty()) return unknown("model option", key);
    }
    LLAVA_CHECK(model.read("byte_fallback", d_.byte_fallback));
    LLAVA_CHECK(model.read("ignore_merges", d_.ignore_merges));
    LLAVA_CHECK(model.read("unk_token", unk));
    const json_value* vocab = model.find("vocab");
    if (!vocab || !vocab->is_object()) return model.wrong("vocab", "an object of pieces and ids");
    const auto most = static_cast<std::int64_t>(4 * vocab->members().size() + 65536);
    for (const auto& [piece, value] : vocab->members()) {
      const std::int64_t number = value.whole().value_or(-1);
      if (number < 0 || number >= most) return bad(text_of("the id of piece '", piece, "' is not a sound whole number"));
      const auto id = static_cast<std::size_t>(number);
      if (id >= d_.pieces.size()) d_.pieces.resize(id + 1);
      d_.pieces[id] = piece;
      d_.ids.emplace(piece, static_cast<std::int32_t>(id));
    }
    if (const auto u = d_.ids.find(unk); !unk.empty() && u != d_.ids.end()) d_.unknown = u->second;
    if (d_.byte_fallback) {
      d_.is_byte.resize(d_.pieces.size());
      int bytes = 0;
      for (std::size_t i = 0; i < d_.pieces.size(); ++i)
        if (is_byte_piece(d_.pieces[i])) d_.is_byte[i] = true, ++bytes;
      if (bytes != 256) return bad(text_of("byte_fallback needs 256 byte pieces, the vocabulary has ", bytes));
    }
    return try_read_merges(model);
  }

  result<void> try_read_merges(const json_object& model) {
    const json_value* merges = model.find("merges");
    if (!merges || !merges->is_array()) return model.wrong("merges", "a list");
    double rank = 0;
    for (const json_value& m : merges->items()) {
      std::string_view left, right;
      if (m.text()) {
        const std::string_view both = *m.text();
        const auto space = both.find(' ');
        if (space == std::string_view::npos) return bad(text_of("merge ", static_cast<std::int64_t>(rank), " is not two pieces"));
        left = both.substr(0, space), right = both.substr(space + 1);
      } else if (m.items().size() == 2 && m.items()[0].text() && m.items()[1].text()) {
        left = *m.items()[0].text(), right = *m.items()[1].text();
      } else {
        return bad(text_of("merge ", static_cast<std::int64_t>(rank), " is not two pieces"));
      }
      const auto l = d_.ids.find(left), r = d_.ids.find(right), whole = d_.ids.find(std::string(left) + std::string(right));
      if (l == d_.ids.end() || r == d_.ids.end() || whole == d_.ids.end())
        return bad(text_of("merge ", static_cast<std::int64_t>(rank), " ('", left, "' '", right, "') makes no piece of the vocabulary"));
      d_.merges.emplace(static_cast<std::uint64_t>(l->second) << 32 | static_cast<std::uint32_t>(r->second), bpe_merge{rank++, whole->second});
    }
    return {};
  }

  result<void> try_read_added(const json_object& root) {
    const json_value* added = root.find("added_tokens");
    if (!added) return {};
    if (!added->is_array()) return root.wrong("added_tokens", "a list");
    for (const json_value& v : added->items()) {
      if (!v.is_object()) return root.wrong("added_tokens", "a list of objects");
      const json_object o(file_, "added_tokens.", &v);
      added_token a;
      a.id = -1;
      LLAVA_CHECK(o.read("content", a.content));
      LLAVA_CHECK(o.read("id", a.id));
      LLAVA_CHECK(o.read("special", a.special));
      LLAVA_CHECK(o.read("lstrip", a.lstrip));
      LLAVA_CHECK(o.read("rstrip", a.rstrip));
      LLAVA_CHECK(o.read("single_word", a.single_word));
      if (a.content.empty() || a.id < 0 || static_cast<std::size_t>(a.id) > d_.pieces.size() + 65536)
        return bad(text_of("added token '", a.content, "' has no sound id"));
      d_.added.push_back(std::move(a));
    }
    return {};
  }

  result<void> try_normalizer(const json_object& o, std::string_view type) {
    if (type == "NFC") {
      d_.normalise_nfc = true;
      return {};
    }
    if (type == "Prepend") {
      d_.prefix = prefix_space::always;
      return try_space(o, "prepend");
    }
    if (type == "Replace") {
      LLAVA_TRY(pattern, o.object("pattern"));
      std::string from, to;
      LLAVA_CHECK(pattern.read("String", from));
      LLAVA_CHECK(o.read("content", to));
      if (from != " " || to != "\xe2\x96\x81") return unknown("normalizer Replace", from);
      return {};
    }
    return unknown("normalizer", type);
  }

  result<void> try_space(const json_object& o, const char* key) {
    std::string text;
    LLAVA_CHECK(o.read(key, text));
    if (text != "\xe2\x96\x81") return unknown(key, text);
    return {};
  }

  result<void> try_pre_tokenizer(const json_object& o, std::string_view type) {
    if (type == "Metaspace") {
      std::string scheme = "always";
      bool splits = true, adds = true;
      LLAVA_CHECK(o.read("prepend_scheme", scheme));
      LLAVA_CHECK(o.read("add_prefix_space", adds));
      LLAVA_CHECK(o.read("split", splits));
      d_.words_by_space = splits;
      d_.metaspace = true;
      d_.prefix = scheme == "never" || !adds ? prefix_space::never : scheme == "first" ? prefix_space::first : prefix_space::always;
      return try_space(o, "replacement");
    }
    if (type == "Split") {
      LLAVA_TRY(pattern, o.object("pattern"));
      std::string regex, behaviour;
      LLAVA_CHECK(pattern.read("Regex", regex));
      LLAVA_CHECK(o.read("behavior", behaviour));
      if (behaviour != "Isolated" && behaviour != "Removed") return unknown("pre_tokenizer Split with behavior", behaviour);
      return try_pattern(regex);
    }
    if (type == "ByteLevel") {
      bool pattern = true, space = true;
      LLAVA_CHECK(o.read("use_regex", pattern));
      LLAVA_CHECK(o.read("add_prefix_space", space));
      d_.byte_level = true;
      if (space) d_.prefix = prefix_space::always;
      if (pattern) d_.words = splitter::gpt2;
      return {};
    }
    return unknown("pre_tokenizer", type);
  }

  result<void> try_pattern(std::string_view regex) {
    if (regex == split_patterns::gpt2) d_.words = splitter::gpt2;
    else if (regex == split_patterns::llama3) d_.words = splitter::llama3;
    else if (regex == split_patterns::qwen2) d_.words = splitter::qwen2;
    else return unknown("pre_tokenizer pattern", regex);
    return {};
  }

  result<void> try_post_processor(const json_object& o, std::string_view type) {
    if (type == "ByteLevel") return {};  // offsets only
    if (type != "TemplateProcessing") return unknown("post_processor", type);
    const json_value* single = o.find("single");
    const json_value* specials = o.find("special_tokens");
    if (!single || !single->is_array() || !specials) return o.wrong("single", "a list, with special_tokens");
    bool behind = false;
    for (const json_value& part : single->items()) {
      if (part.find("Sequence")) {
        behind = true;
        continue;
      }
      const json_value* special = part.find("SpecialToken");
      const json_value* name = special ? special->find("id") : nullptr;
      if (!name || !name->text()) return o.wrong("single", "a list of Sequence and SpecialToken");
      const json_value* token = specials->find(*name->text());
      const json_value* ids = token ? token->find("ids") : nullptr;
      if (!ids || !ids->is_array()) return o.wrong("special_tokens", "an object that has every token of the template");
      for (const json_value& id : ids->items()) {
        const std::int64_t number = id.whole().value_or(-1);
        if (number < 0 || number > INT32_MAX) return o.wrong("special_tokens", "ids");
        (behind ? d_.after : d_.before).push_back(static_cast<std::int32_t>(number));
      }
    }
    return {};
  }

  result<void> try_decoder(const json_object& o, std::string_view type) {
    if (type == "Strip") {
      std::string content = " ";
      int start = 0, stop = 0;
      LLAVA_CHECK(o.read("content", content));
      LLAVA_CHECK(o.read("start", start));
      LLAVA_CHECK(o.read("stop", stop));
      if (content != " " || start != 1 || stop != 0) return unknown("decoder Strip", content);
      d_.strip_first_space = true;
    } else if (type == "Metaspace") {
      d_.strip_first_space = d_.prefix != prefix_space::never;
    } else if (type != "ByteLevel" && type != "ByteFallback" && type != "Fuse" && type != "Replace") {
      return unknown("decoder", type);
    }
    return {};
  }

  std::string_view file_;
  tokenizer_data& d_;
};

}  // namespace detail

inline result<tokenizer_data> try_read_tokenizer_json(std::string_view file, std::string_view bytes) {
  LLAVA_TRY(json, try_parse_json(file, bytes));
  tokenizer_data d;
  LLAVA_CHECK(detail::tokenizer_json_reader(file, d).try_read(json));
  return result<tokenizer_data>(std::move(d));
}

LLAVA_END
