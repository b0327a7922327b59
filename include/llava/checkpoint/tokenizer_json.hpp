// SPDX-License-Identifier: Apache-2.0
/// tokenizer.json of the tokenizers library, for BPE models: LLaMA's (byte fallback, ▁ for a space) and the byte-level
/// ones of GPT-2, Llama 3 and Qwen2. An unknown component or pattern is an error that names it.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/guard.hpp>
#include <llava/checkpoint/json.hpp>
#include <llava/checkpoint/tokenizer_json_parts.hpp>
#include <llava/checkpoint/tokenizer_model.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/tokenizer_state.hpp>

LLAVA_BEGIN

/// A BPE model and its rules, which the folder's other files may extend.
struct tokenizer_parts {
  ranked_bpe model;
  tokenizer_rules rules;
  bool has_post_processor = false;
};

namespace detail {

/// Reads "model", and converts the letters of byte-level vocabularies to bytes.
class ranked_model_reader {
 public:
  ranked_model_reader(std::string_view file, bool byte_level) : file_(file) { m_.byte_level = byte_level; }

  result<ranked_bpe> try_read(const json_object& root) {
    LLAVA_TRY(model, root.object("model"));
    std::string type = "BPE", unknown;
    double dropout = 0;
    LLAVA_CHECK(model.read("type", type));
    if (type != "BPE")
      return fail(errc::unsupported,
                  text_of("llava: ", file_, ": its model is of type ", shown(type), ", expected BPE"));
    LLAVA_CHECK(model.read("dropout", dropout));
    for (const char* key : {"continuing_subword_prefix", "end_of_word_suffix"}) {
      std::string text;
      LLAVA_CHECK(model.read(key, text));
      if (!text.empty()) return model.unsupported(key, text, "none");
    }
    if (dropout != 0) return model.unsupported("dropout", "set", "none");
    LLAVA_CHECK(model.read("byte_fallback", m_.byte_fallback));
    LLAVA_CHECK(model.read("ignore_merges", m_.ignore_merges));
    LLAVA_CHECK(model.read("fuse_unk", m_.fuse_unknown));
    LLAVA_CHECK(model.read("unk_token", unknown));
    LLAVA_CHECK(try_read_pieces(model));
    if (!unknown.empty() && (m_.unknown = id_of(unknown)) < 0)
      return bad(text_of("unk_token '", unknown, "' is not in the vocabulary"));
    LLAVA_CHECK(try_read_merges(model));
    result<ranked_bpe> made = ranked_bpe::try_make(std::move(m_));
    if (!made) return in_file(file_, made.error());
    return made;
  }

 private:
  error bad(std::string_view what) const { return fail(errc::invalid_format, text_of("llava: ", file_, ": ", what)); }

  std::int32_t id_of(std::string_view piece) const {
    if (!m_.byte_level) return m_.words.find(piece);
    const auto bytes = bytes_of_letters(piece);
    return bytes ? m_.words.find(*bytes) : -1;
  }

  result<void> try_read_pieces(const json_object& model) {
    const json_value* vocab = model.find("vocab");
    if (!vocab || vocab->members().empty()) return model.wrong("vocab", "an object of pieces and ids");
    const auto most = static_cast<std::int64_t>(2 * vocab->members().size() + 65536);  // gaps are allowed, but bounded
    std::vector<bool> seen;
    for (const auto& [piece, value] : vocab->members()) {
      if (!value.integer() || *value.integer() < 0 || *value.integer() >= most)
        return bad(text_of("the id of piece '", shown(piece), "' is not a non-negative integer below ", most));
      const auto id = static_cast<std::size_t>(*value.integer());
      if (id >= seen.size()) seen.resize(id + 1);
      if (seen[id]) return bad(text_of("two pieces have the id ", id));
      seen[id] = true;
      auto bytes = m_.byte_level ? bytes_of_letters(piece) : std::nullopt;
      const bool findable = !piece.empty() && (!m_.byte_level || bytes);
      m_.words.set(static_cast<std::int32_t>(id), bytes ? std::move(*bytes) : std::string(piece));
      if (findable && !m_.words.index(static_cast<std::int32_t>(id)))
        return bad(text_of("piece '", shown(piece), "' is repeated"));
    }
    return {};
  }

  /// Merges are "left right" or ["left", "right"].
  result<void> try_read_merges(const json_object& model) {
    const json_value* merges = model.find("merges");
    if (!merges || !merges->is_array()) return model.wrong("merges", "a list");
    std::uint32_t rank = 0;
    for (const json_value& m : merges->items()) {
      std::string_view left, right;
      if (m.text()) {
        const std::string_view both = *m.text();
        const auto space = both.find(' ');
        if (space == std::string_view::npos || both.find(' ', space + 1) != std::string_view::npos)
          return bad(text_of("merge ", rank, " is not two pieces"));
        left = both.substr(0, space), right = both.substr(space + 1);
      } else if (m.items().size() == 2 && m.items()[0].text() && m.items()[1].text()) {
        left = *m.items()[0].text(), right = *m.items()[1].text();
      } else {
        return bad(text_of("merge ", rank, " is not two pieces"));
      }
      const std::int32_t l = id_of(left), r = id_of(right), whole = id_of(std::string(left).append(right));
      if (l < 0 || r < 0 || whole < 0)
        return bad(text_of("merge ", rank, " ('", shown(left), "' '", shown(right),
                           "') needs pieces that the vocabulary lacks"));
      m_.merges.set(l, r, {rank++, whole});
    }
    return {};
  }

  std::string_view file_;
  ranked_model m_;
};

inline result<void> try_read_added_tokens(std::string_view file, const json_object& root,
                                          std::vector<added_token>& to) {
  const json_value* added = root.find("added_tokens");
  if (!added) return {};
  if (!added->is_array()) return root.wrong("added_tokens", "a list");
  for (const json_value& v : added->items()) {
    if (!v.is_object()) return root.wrong("added_tokens", "a list of objects");
    const json_object o(file, "added_tokens.", &v);
    added_token a;
    a.id = -1;
    LLAVA_CHECK(o.read("content", a.content));
    LLAVA_CHECK(o.read("id", a.id));
    LLAVA_CHECK(o.read("special", a.special));
    LLAVA_CHECK(o.read("lstrip", a.lstrip));
    LLAVA_CHECK(o.read("rstrip", a.rstrip));
    LLAVA_CHECK(o.read("single_word", a.single_word));
    LLAVA_CHECK(o.read("normalized", a.normalized));
    to.push_back(std::move(a));
  }
  return {};
}

}  // namespace detail

/// Parses the bytes of a tokenizer.json; `file` is its name in errors.
inline result<tokenizer_parts> try_read_tokenizer_json(std::string_view file, std::string_view bytes) {
  return guarded([&]() -> result<tokenizer_parts> {
    LLAVA_TRY(json, try_parse_json(file, bytes));
    if (!json.is_object()) return fail(errc::invalid_format, text_of("llava: ", file, ": expected an object"));
    const json_object root(file, {}, &json);
    tokenizer_rules rules;
    detail::tokenizer_json_parts parts(file, rules);
    LLAVA_CHECK(parts.try_read(root));
    LLAVA_CHECK(detail::try_read_added_tokens(file, root, rules.added));
    LLAVA_TRY(model, detail::ranked_model_reader(file, parts.byte_level()).try_read(root));
    std::string unknown;
    LLAVA_TRY(about, root.object("model"));
    LLAVA_CHECK(about.read("unk_token", unknown));
    if (!unknown.empty()) rules.unknown = model.words().find(unknown);
    return tokenizer_parts{std::move(model), std::move(rules), parts.has_post_processor()};
  });
}

LLAVA_END
