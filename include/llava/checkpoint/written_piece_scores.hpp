// SPDX-License-Identifier: Apache-2.0
/// try_score_pieces: the scores of SentencePiece's pieces, from the merges of the tokenizer.json to which transformers
/// converted its model (the inverse of written_merges). There all pairs of pieces that form a piece are merges, in the
/// order of the pieces' scores, so that a piece's score is the negative rank of its first merge. Merges of another
/// origin have no such scores; the error says so.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/text/shown.hpp>
#include <llava/text/vocabulary.hpp>

LLAVA_BEGIN

namespace detail {

/// `merges`: pairs of ids, the earliest first. Returns a score for each id of the vocabulary. Errors: the piece whose
/// merges do not follow each other, or that a pair forms which is no merge.
inline result<std::vector<float>> try_score_pieces(const vocabulary& words,
                                                   const std::vector<std::pair<std::int32_t, std::int32_t>>& merges) {
  const auto no_scores = [&](std::string_view piece, std::string_view why) {
    return fail(errc::unsupported, text_of("llava: the merges of '", shown(piece), "' ", why,
                                           ", so its pieces have no scores as in SentencePiece"));
  };
  std::vector<float> scores(words.size(), 0.f);
  std::vector<bool> scored(words.size());
  std::int32_t last = -1, rank = 0;
  for (const auto& [left, right] : merges) {
    const std::int32_t whole = words.find(text_of(words.text(left), words.text(right)));
    if (whole < 0) return no_scores(words.text(left), "form no piece");
    if (whole != last) {
      if (scored[static_cast<std::size_t>(whole)]) return no_scores(words.text(whole), "do not follow each other");
      scored[static_cast<std::size_t>(whole)] = true;
      scores[static_cast<std::size_t>(whole)] = -static_cast<float>(rank++);
    }
    last = whole;
  }
  const std::set<std::pair<std::int32_t, std::int32_t>> known(merges.begin(), merges.end());
  for (std::int32_t id = 0; id < static_cast<std::int32_t>(words.size()); ++id) {
    const std::string_view piece = words.text(id);
    for (std::size_t at = 1; at < piece.size(); ++at) {
      if ((static_cast<unsigned char>(piece[at]) & 0xc0) == 0x80) continue;
      const std::int32_t left = words.find(piece.substr(0, at)), right = words.find(piece.substr(at));
      if (left >= 0 && right >= 0 && !known.contains({left, right}))
        return no_scores(piece, text_of("lack '", shown(words.text(left)), "' and '", shown(words.text(right)), "'"));
    }
  }
  return scores;
}

}  // namespace detail

LLAVA_END
