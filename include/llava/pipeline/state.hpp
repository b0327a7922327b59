// SPDX-License-Identifier: Apache-2.0
/// pipeline_state<M, B, P>: an opened model of one type: its stages with their weights, and its KV cache.
#pragma once
#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/ops/backend.hpp>
#include <llava/pipeline/adapter.hpp>
#include <llava/pipeline/choose_conversation.hpp>
#include <llava/pipeline/encode.hpp>
#include <llava/pipeline/encode_video.hpp>
#include <llava/pipeline/engine.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/pipeline/step.hpp>
#include <llava/pipeline/workspace.hpp>
#include <llava/text/conversation.hpp>

LLAVA_BEGIN

/// An opened model of one type.
template <class M, class B, class P>
struct pipeline_state final : opened_model {
  using cache_type = kv_cache<kv_layout_of<B, typename P::kv_cache>>;

  [[no_unique_address]] B backend;
  packed_weights packed;  // the packed file, mapped while the weights are used
  typename M::conversation conversation{};
  model_stages<M, B, P> stages;
  cache_type cache;
  static constexpr bool has_adapters = ops::adapts_rows<typename B::queue>;
  struct nothing {};
  /// The weights that may have adapters.
  [[no_unique_address]] std::conditional_t<has_adapters, std::vector<adaptable_weight>, nothing> adaptable;
  std::uint64_t weight_bytes = 0;  // allocated for weights
  std::size_t arena_bytes = 0;

  pipeline_state(const B& b, checkpoint c, model_stages<M, B, P> s)
      : opened_model(std::move(c)), backend(b), stages(std::move(s)) {}

  static result<std::unique_ptr<pipeline_state>> try_open(std::string_view name, const open_options& options,
                                                          B backend);

  std::string_view backend_name() const override { return B::name; }
  stage_shapes shapes() const override {
    const int hidden = stages.text->config().hidden;
    if (!stages.tower) return {0, 0, 0, 0, hidden};
    const vision_config& v = stages.tower->config();
    return {v.input(), v.features(), v.feature_width(), image_rows, hidden};
  }
  int vocab() const override { return stages.text->vocab(); }
  result<std::string> try_prompt(std::span<const message> turns) const override {
    return llava::try_prompt(conversation, turns);
  }

 private:
  /// A workspace with a queue and its arena.
  class own_workspace final : public workspace {
    buffer memory_;  // outlives the queue

   public:
    typename B::queue queue;

    own_workspace(const pipeline_state& state, buffer memory)
        : workspace(state.limits),
          memory_(std::move(memory)),
          queue(state.backend, *state.threads, arena(memory_.data(), memory_.size())),
          state_(&state) {}
    result<void> begin(const step_request& asked, function_ref<bool()> go_on, step_results& to) override {
      if constexpr (has_adapters) detail::adapt_rows(queue, asked.parts);
      return begin_step(queue, packed, *state_->stages.text, state_->cache, asked, go_on, to);
    }
    result<void> finish(const step_results& begun) override { return finish_step(queue, begun); }
    bool may_run_ahead() const override { return runs_ahead<typename B::queue>; }
    void settle() noexcept override {
      static_cast<void>(queue.finish());
      if constexpr (has_adapters) queue.adapt_none();
    }

   private:
    const pipeline_state* state_;
  };

  bool cuts_squares() const override { return ops::has_resize<B>; }
  result<std::vector<image>> try_read_squares(std::span<const image> shown, const image_plan& plan) const override {
    LLAVA_TRY(lent, try_lend());
    return llava::try_read_squares<B>(queue_of(lent), shown, opened.description.image, plan);
  }
  result<std::vector<float>> try_features(std::span<const image> shown, const image_plan& plan) const override {
    LLAVA_TRY(lent, try_lend());
    auto& q = queue_of(lent);
    const auto squares = squares_of<B>(q, shown, opened.description.image, plan);
    std::vector<float> all;
    const auto read = [&](std::ptrdiff_t, matrix_view<const float> rows) -> result<void> {
      LLAVA_TRY(values, try_read(q, rows));
      all.insert(all.end(), values.begin(), values.end());
      return {};
    };
    LLAVA_CHECK(try_each_features(q, stages, squares, plan.squares(), never_stop, read));
    return result<std::vector<float>>(std::move(all));
  }
  result<image_tokens> try_encode_squares(std::span<const image> shown, const image_plan& plan,
                                          function_ref<bool()> go_on,
                                          [[maybe_unused]] const adapter* with) const override {
    const int rows = plan.squares() * image_rows, width = stages.text->config().hidden;
    LLAVA_TRY(tokens, image_tokens::try_make(backend.memory(), rows + (stages.newline ? 1 : 0), width));
    image_tokens merged;
    if (!plan.token_rows.empty()) {
      LLAVA_TRY(made, image_tokens::try_make(backend.memory(), plan.tokens, width));
      merged = std::move(made);
    }
    LLAVA_TRY(lent, try_lend());  // is given back, which waits for its ops, before the memory is
    auto& q = queue_of(lent);
    if constexpr (has_adapters)
      if (with) q.adapt(0, ops::every_row, with->weights());
    const auto squares = squares_of<B>(q, shown, opened.description.image, plan);
    LLAVA_CHECK(try_project_squares(q, stages, tokens.view(), image_rows, squares, plan.squares(), go_on));
    if (stages.newline) copy(q, rows_of(tokens.view(), rows, 1), stages.newline->matrix());
    if (!plan.token_rows.empty()) merge(q, merged.view(), tokens.view(), plan.token_rows, plan.weights);
    LLAVA_CHECK(q.finish());
    return result<image_tokens>(std::move(plan.token_rows.empty() ? tokens : merged));
  }
  result<video_plan> try_plan_frames(int frames) const override {
    return llava::try_plan_frames(stages, opened.description.video, image_rows, frames);
  }
  result<image_tokens> try_encode_frames(std::span<const image> shown, const video_plan& plan,
                                         function_ref<bool()> go_on,
                                         [[maybe_unused]] const adapter* with) const override {
    LLAVA_TRY(tokens, image_tokens::try_make(backend.memory(), plan.tokens, stages.text->config().hidden));
    LLAVA_TRY(lent, try_lend());  // is given back, which waits for its ops, before the memory is
    auto& q = queue_of(lent);
    if constexpr (has_adapters)
      if (with) q.adapt(0, ops::every_row, with->weights());
    const image_config of_frames = config_of_frames(opened.description.image);
    const image_plan one;
    const auto squares = squares_of<B>(q, shown, of_frames, one);
    LLAVA_CHECK(llava::try_encode_frames(q, stages, opened.description.video, plan, tokens.view(), squares, go_on));
    LLAVA_CHECK(q.finish());
    return result<image_tokens>(std::move(tokens));
  }
  const memory& device_memory() const override { return backend.memory(); }
  std::size_t block_bytes() const override { return cache.block_bytes(); }
  result<void> try_load_block(int block, std::span<const std::byte> from) const override {
    for (int i = 0; i < opened.description.text.layers; ++i)
      for (const auto& part : cache_type::layout::parts_of(cache.layer(i), block)) {
        const std::size_t size = static_cast<std::size_t>(part.size()) * sizeof *part.data();
        LLAVA_CHECK(backend.memory().try_load(reinterpret_cast<std::byte*>(part.data()), from.data(), size));
        from = from.subspan(size);
      }
    return {};
  }
  result<void> try_read_block(int block, std::span<std::byte> to) const override {
    LLAVA_TRY(lent, try_lend());
    auto& q = queue_of(lent);
    for (int i = 0; i < opened.description.text.layers; ++i)
      for (const auto& part : cache_type::layout::parts_of(cache.layer(i), block)) {
        using element = typename P::kv_cache;
        const std::span<element> into(reinterpret_cast<element*>(to.data()), static_cast<std::size_t>(part.size()));
        download(q, into, vector_view<const element>(part));
        to = to.subspan(into.size_bytes());
      }
    return q.finish();
  }
  result<std::vector<float>> try_values(const image_tokens& tokens) const override {
    LLAVA_TRY(lent, try_lend());
    return try_read(queue_of(lent), matrix_view<const float>(tokens.view()));
  }

  result<std::unique_ptr<workspace>> try_make_workspace() const override {
    LLAVA_TRY(memory, backend.memory().try_allocate(arena_bytes, "activations"));
    return std::unique_ptr<workspace>(std::make_unique<own_workspace>(*this, std::move(memory)));
  }
  static typename B::queue& queue_of(const workspace_pool::lease& lent) {
    return static_cast<own_workspace&>(*lent).queue;
  }

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
    LLAVA_CHECK(binding.try_accept());
    weight_bytes = binding.bytes_needed();
    LLAVA_TRY(cache_bytes, cache_type::try_size(opened.description.text, blocks_for(options)));
    LLAVA_CHECK(try_keep_budget(options, cache_bytes, std::nullopt));
    LLAVA_CHECK(binding.try_fill([&](const progress& p) { return report_progress(options, p); }, stages));
    if constexpr (has_block_weights<P>)
      if (auto laid_out = binding.weights_to_cache(); !options.packed_file.empty() && !laid_out.empty())
        LLAVA_CHECK(packed_weights::try_write(options.packed_file, source, std::move(laid_out)));
    return stages.try_prepare(opened.description, backend.memory());
  }

  /// Allocates the KV cache and plans the activations.
  result<void> try_make_room(const open_options& options) {
    context = (std::min)(opened.description.text.context, kv_tokens_for(options));
    const int count = blocks_for(options);
    LLAVA_TRY(made, cache_type::try_make(opened.description.text, count, backend.memory()));
    cache = std::move(made);
    blocks = std::make_shared<block_allocator>(count, context);
    limits.tokens = options.max_batch_tokens;
    limits.sequences = (std::min)(options.max_sequences, limits.tokens);
    prompt_lookup = options.prompt_lookup;
    // Four answers may guess in one step.
    limits.logit_rows = (std::min)(limits.sequences + 4 * prompt_lookup, limits.tokens);
    limits.blocks = context / kv_block + 1;

    LLAVA_TRY(planned, try_plan_activations());
    arena_bytes = planned;
    LLAVA_CHECK(try_keep_budget(options, cache.bytes(), arena_bytes));
    prefix_cache = options.prefix_cache;
    encoded_images.set_limit(options.memory_budget == 0
                                 ? options.image_cache_bytes
                                 : (std::min)(options.image_cache_bytes,
                                              options.memory_budget - weight_bytes - cache.bytes() - arena_bytes));
    set_engine(std::make_shared<llava::engine>(*this));
    std::string_view instructions;
    if constexpr (requires { name_of(backend.isa); }) instructions = name_of(backend.isa);
    return try_open_disk_cache(options, __PRETTY_FUNCTION__, instructions);
  }

  int kv_tokens_for(const open_options& options) const {
    return options.kv_tokens > 0 ? options.kv_tokens : std::clamp(opened.description.text.context, 4096, 32768);
  }
  int blocks_for(const open_options& options) const {
    const int tokens = kv_tokens_for(options);
    return tokens / kv_block + (tokens % kv_block ? 1 : 0);
  }

  /// An error if weights, KV cache and, once known, activations together exceed the memory budget.
  result<void> try_keep_budget(const open_options& options, std::uint64_t kv,
                               std::optional<std::uint64_t> activations) const {
    if (!options.memory_budget || weight_bytes + kv + activations.value_or(0) <= options.memory_budget) return {};
    std::string parts = text_of("weights (", weight_bytes, " bytes), KV cache (", kv, " bytes)");
    if (activations) parts += text_of(", activations (", *activations, " bytes)");
    return fail(errc::out_of_memory,
                text_of("llava: ", opened.path, ": ", parts, " exceed the memory budget of ", options.memory_budget,
                        " bytes; set a larger memory_budget, fewer kv_tokens, fewer max_batch_tokens, or a smaller "
                        "weight format"));
  }

  /// Returns the bytes of activations. It runs the largest step and an image on a planning queue, which computes
  /// nothing. Ops check their operands there, so most mistakes in a user's projector or op are errors of opening.
  result<std::size_t> try_plan_activations() {
    typename B::queue planning(backend, *threads, arena{});
    LLAVA_CHECK(plan_step(planning, *stages.text, cache, limits));
    if (stages.tower) {
      const model_description& d = opened.description;
      LLAVA_TRY(rows, try_plan_encoding(planning, stages, d.image, d.text.context));
      image_rows = rows;
      if (d.has_video)
        LLAVA_CHECK(try_plan_encoding_of_video(planning, stages, d.video, rows, config_of_frames(d.image)));
    }
    if constexpr (has_adapters) adaptable = detail::adaptable_weights(stages, planning.multiplied());
    return planning.workspace().peak();
  }
};

/// Not inline, so that `extern template struct pipeline_state<…>` keeps all of it out of a translation unit.
template <class M, class B, class P>
result<std::unique_ptr<pipeline_state<M, B, P>>> pipeline_state<M, B, P>::try_open(std::string_view name,
                                                                                   const open_options& options,
                                                                                   B backend) {
  LLAVA_CHECK(try_check(options));
  if constexpr (requires { backend.device = options.device; }) {
    if (options.device >= 0) backend.device = options.device;
  } else if (options.device >= 0) {
    return fail(errc::invalid_argument, text_of("llava: device is ", options.device, ", but the backend ", B::name,
                                                " has no devices; leave it at -1"));
  }
  if constexpr (requires { backend.try_check(); }) LLAVA_CHECK(backend.try_check());
  LLAVA_TRY(opened, try_open_checkpoint(name, options.model_base, {options.mmproj, options.legacy_tokenizer}));
  LLAVA_TRY(stages, (model_stages<M, B, P>::try_make(opened)));
  LLAVA_CHECK(try_check_tokens(opened.tokenizer, opened.description, opened.path));
  auto state = std::make_unique<pipeline_state>(backend, std::move(opened), std::move(stages));
  LLAVA_CHECK(try_choose_conversation(state->conversation, state->opened.description, state->opened.tokenizer,
                                      options.conversation));
  state->threads = make_executor(options);
  LLAVA_CHECK(state->try_load(options));
  LLAVA_CHECK(state->try_make_room(options));
  return result<std::unique_ptr<pipeline_state>>(std::move(state));
}

LLAVA_END
