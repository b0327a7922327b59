// SPDX-License-Identifier: Apache-2.0
/// Definitions of tokenizer.hpp.
#pragma once
#include <memory>
#include <utility>

#include <llava/base/guard.hpp>
#include <llava/text/tokenizer.hpp>
#include <llava/text/tokenizer_state.hpp>

LLAVA_BEGIN

LLAVA_INLINE tokenizer::tokenizer() : state_(std::make_shared<const detail::tokenizer_state>()) {}

LLAVA_INLINE result<tokenizer> tokenizer::try_make(sentencepiece_bpe model, tokenizer_rules rules) {
  return guarded([&]() -> result<tokenizer> {
    LLAVA_TRY(state, detail::tokenizer_state::try_make(std::move(model), std::move(rules)));
    return tokenizer(std::make_shared<const detail::tokenizer_state>(std::move(state)));
  });
}
LLAVA_INLINE result<tokenizer> tokenizer::try_make(ranked_bpe model, tokenizer_rules rules) {
  return guarded([&]() -> result<tokenizer> {
    LLAVA_TRY(state, detail::tokenizer_state::try_make(std::move(model), std::move(rules)));
    return tokenizer(std::make_shared<const detail::tokenizer_state>(std::move(state)));
  });
}

LLAVA_INLINE std::size_t tokenizer::size() const { return state_->size(); }
LLAVA_INLINE std::int32_t tokenizer::bos() const { return state_->bos(); }
LLAVA_INLINE std::int32_t tokenizer::eos() const { return state_->eos(); }
LLAVA_INLINE std::int32_t tokenizer::unk() const { return state_->unk(); }
LLAVA_INLINE std::int32_t tokenizer::pad() const { return state_->pad(); }
LLAVA_INLINE bool tokenizer::is_special(std::int32_t id) const { return state_->is_special(id); }
LLAVA_INLINE std::optional<std::int32_t> tokenizer::find(std::string_view piece) const { return state_->find(piece); }
LLAVA_INLINE std::string tokenizer::piece(std::int32_t id) const { return state_->piece(id); }
LLAVA_INLINE std::vector<std::int32_t> tokenizer::encode(std::string_view text, const encode_options& options) const {
  return state_->encode(text, options);
}
LLAVA_INLINE std::string tokenizer::decode(std::span<const std::int32_t> ids, bool skip_special) const {
  return state_->decode(ids, skip_special);
}
LLAVA_INLINE decoding_rules tokenizer::decoding() const { return state_->decoding(); }
LLAVA_INLINE void tokenizer::push(text_decoder& state, std::int32_t id, std::string& out) const {
  state_->push(state, id, out);
}
LLAVA_INLINE std::string tokenizer::token_bytes(std::int32_t id) const { return state_->token_bytes(id); }

LLAVA_END
