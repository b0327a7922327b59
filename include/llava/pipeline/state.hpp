// SPDX-License-Identifier: Apache-2.0
/// pipeline_state: what an opened model owns: the checkpoint, its stages with their weights, the pool of KV blocks and
/// the workspaces. Only the last two change after opening, and they lock.
#pragma once
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/ops/backend.hpp>
#include <llava/pipeline/choose_conversation.hpp>
#include <llava/pipeline/encode.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/pipeline/step.hpp>
#include <llava/pipeline/workspace.hpp>

LLAVA_BEGIN

/// What an opened model owns.
template <class M, class B, class P>
struct pipeline_state {
  using cache_type = kv_cache<kv_layout_of<B, typename P::kv_cache>>;

  [[no_unique_address]] B backend;
  checkpoint opened;      // its files are mapped while the weights are used
  packed_weights packed;  // likewise, when a file keeps them
  typename M::conversation conversation{};
  std::shared_ptr<executor> threads;
  model_stages<M, B, P> stages;
  int context = 0;
  int image_rows = 0;  // image tokens of a picture
  step_limits limits;
  cache_type cache;
  std::shared_ptr<kv_blocks> blocks;
  std::optional<workspace_pool<B>> workspaces;

  pipeline_state(const B& b, checkpoint c, model_stages<M, B, P> s)
      : backend(b), opened(std::move(c)), stages(std::move(s)) {}

  static result<std::unique_ptr<pipeline_state>> try_open(std::string_view name, const open_options& options,
                                                          const B& backend) {
    LLAVA_CHECK(try_check(options));
    if constexpr (requires { backend.try_check(); }) LLAVA_CHECK(backend.try_check());
    LLAVA_TRY(opened, try_open_checkpoint(name));
    LLAVA_TRY(stages, (model_stages<M, B, P>::try_make(opened)));
    LLAVA_CHECK(try_check_tokens(opened.words, opened.description, opened.path));
    auto state = std::make_unique<pipeline_state>(backend, std::move(opened), std::move(stages));
    LLAVA_CHECK(try_choose_conversation(state->conversation, state->opened.description, state->opened.words,
                                        options.conversation));
    state->threads = make_executor(options);
    LLAVA_CHECK(state->try_load(options));
    LLAVA_CHECK(state->try_make_room(options));
    return result<std::unique_ptr<pipeline_state>>(std::move(state));
  }

  /// (S, S, 3): what the tower sees.
  result<image> try_square(const image& picture) const {
    if (!stages.tower) return fail(errc::unsupported, "llava: this model has no vision tower; it answers text only");
    return try_preprocess(picture, opened.description.image);
  }

 private:
  result<void> try_load(const open_options& options) {
    [[maybe_unused]] std::string source;
    if constexpr (has_block_weights<P>)
      if (!options.packed_file.empty()) {
        source = opened.tensors.identity();
        LLAVA_TRY(kept, packed_weights::try_open(options.packed_file, source, *threads));
        packed = std::move(kept);
      }
    weight_binding binding(opened.tensors, opened.path, backend.memory(), *threads, packed);
    binding.check(opened.description, stages);
    LLAVA_CHECK(binding.try_accept(options.memory_budget ? options.memory_budget
                                                         : (std::numeric_limits<std::uint64_t>::max)()));
    LLAVA_CHECK(binding.try_fill([&](const progress& p) { return report_progress(options, p); }, stages));
    if constexpr (has_block_weights<P>)
      if (auto laid_out = binding.not_kept(); !options.packed_file.empty() && !laid_out.empty())
        LLAVA_CHECK(packed_weights::try_write(options.packed_file, source, std::move(laid_out)));
    return stages.try_prepare(opened.description, backend.memory());
  }

  /// KV cache and activations.
  result<void> try_make_room(const open_options& options) {
    const int longest = opened.description.text.context;
    const int kv_tokens = options.kv_tokens > 0 ? options.kv_tokens : std::clamp(longest, 4096, 32768);
    context = (std::min)(longest, kv_tokens);
    const int count = kv_tokens / kv_block + (kv_tokens % kv_block ? 1 : 0);
    LLAVA_TRY(made, cache_type::try_make(opened.description.text, count, backend.memory()));
    cache = std::move(made);
    blocks = std::make_shared<kv_blocks>(count, context);
    limits.tokens = options.max_batch_tokens;
    limits.sequences = (std::min)(options.max_sequences, limits.tokens);
    limits.logit_rows = limits.sequences;
    limits.blocks = context / kv_block + 1;

    LLAVA_TRY(arena_bytes, try_plan());
    if (options.memory_budget && cache.bytes() + arena_bytes > options.memory_budget)
      return fail(errc::out_of_memory, text_of("llava: KV cache (", cache.bytes(), " bytes) and activations (",
                                               arena_bytes, " bytes) are over the memory budget of ",
                                               options.memory_budget, "; ask for fewer kv_tokens or max_batch_tokens"));
    workspaces.emplace(backend, *threads, limits, arena_bytes);
    return {};
  }

  /// Bytes of activations: the largest step and a picture are run on a queue that computes nothing. Its ops hold what
  /// they are given against their contracts, so most mistakes in a projector or an op of one's own are errors of
  /// opening.
  result<std::size_t> try_plan() {
    typename B::queue planning(backend, *threads, arena{});
    LLAVA_CHECK(plan_step(planning, *stages.text, cache, limits));
    if (stages.tower) {
      LLAVA_TRY(rows, try_plan_picture(planning, stages, opened.description.text.context));
      image_rows = rows;
    }
    return planning.workspace().peak();
  }
};

LLAVA_END
