// SPDX-License-Identifier: Apache-2.0
/// try_search_beams: the answer of a session with num_beams. It runs its own steps, beside those of the engine. Beams
/// share the full blocks of the KV cache. A beam that begins in the middle of another one computes the tokens of the
/// last block again, at most 15, with the same bytes (R14).
#pragma once
#include <llava/base/error.hpp>
#include <llava/generate/settings.hpp>
#include <llava/pipeline/prepare.hpp>

LLAVA_BEGIN

class adapter;
class opened_model;

/// Returns the likeliest answer that the search finds (generate/beam_search.hpp). `with`: an adapter or null.
/// `prepared_in`: seconds for answer_seconds::prepare. Errors: settings or hooks that a search cannot take; a full KV
/// cache; errc::cancelled.
result<answer> try_search_beams(const opened_model& model, prepared_prompt prompt, const generation_settings& settings,
                                const generation_hooks& hooks, const adapter* with, double prepared_in);

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/search_beams_inl.hpp>
#endif
