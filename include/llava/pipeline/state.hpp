// SPDX-License-Identifier: Apache-2.0
/// pipeline_state: what an opened model owns: its stages with their weights, the files that they are mapped from, the
/// tokenizer, the pool of KV blocks and the workspaces. Only the last two change after opening, and they lock.
#pragma once
#include <algorithm>
#include <limits>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/packed_weights.hpp>
#include <llava/checkpoint/safetensors.hpp>
#include <llava/checkpoint/tied_head.hpp>
#include <llava/checkpoint/tokenizer_files.hpp>
#include <llava/image/preprocess.hpp>
#include <llava/llm/decoder.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/ops/backend.hpp>
#include <llava/pipeline/choose_conversation.hpp>
#include <llava/pipeline/numbers.hpp>
#include <llava/pipeline/options.hpp>
#include <llava/pipeline/prompt.hpp>
#include <llava/pipeline/workspace.hpp>
#include <llava/projector/concept.hpp>
#include <llava/text/tokenizer.hpp>
#include <llava/vision/vit.hpp>

LLAVA_BEGIN

/// What an opened model owns.
template <class M, class B, class P>
struct pipeline_state {
  using numbers = detail::numbers<M>;
  using vit_type = vit<B, typename numbers::vision, typename P::vision, typename M::vision_activation>;
  using projector_type = typename M::projector::template stage<B, typename P::projector>;
  using decoder_type = decoder<B, typename numbers::text, P, typename M::text_activation>;
  using cache_type = kv_cache<kv_layout_of<B, typename P::kv_cache>>;

  [[no_unique_address]] B backend;
  model_description description;
  tokenizer words;
  typename M::conversation conversation{};
  std::shared_ptr<executor> threads;
  int context = 0;
  int image_rows = 0;  // image tokens of a picture
  step_limits limits;

  safetensors_folder files, tower_files;  // mapped while the weights are used
  packed_weights packed;                  // likewise, when a file keeps them
  std::optional<vit_type> vit_;
  std::optional<projector_type> projector_;
  std::optional<decoder_type> decoder_;
  parameter<B> pixel_table;  // (3, 256)
  cache_type cache;
  std::shared_ptr<kv_blocks> blocks;
  std::optional<workspace_pool<B>> workspaces;

  explicit pipeline_state(const B& b) : backend(b) {}

  static result<std::unique_ptr<pipeline_state>> try_open(std::string_view name, const open_options& options,
                                                          const B& backend) {
    LLAVA_CHECK(try_check(options));
    if constexpr (requires { backend.try_check(); }) LLAVA_CHECK(backend.try_check());
    auto state = std::make_unique<pipeline_state>(backend);
    LLAVA_TRY(folder, try_resolve_model_folder(name));
    LLAVA_TRY(description, try_describe_model(folder));
    LLAVA_TRY(files, safetensors_folder::try_open(folder));
    tensor_names(description.names, files).read_depth(files, description);
    settle_tied_head(files, description);
    LLAVA_CHECK(try_confirm<M>(description, folder));
    state->files = std::move(files);
    state->description = std::move(description);
    LLAVA_TRY(words, try_open_tokenizer(folder, state->description.slow_tokenizer));
    state->words = std::move(words);
    LLAVA_CHECK(try_check_image_token(state->words, state->description, folder));
    if (state->description.image_start_end && !(state->words.find("<im_start>") && state->words.find("<im_end>")))
      return fail(errc::mismatch,
                  text_of("llava: ", folder, "/config.json says mm_use_im_start_end, but its tokenizer ",
                          "has no <im_start> and <im_end>"));
    LLAVA_CHECK(state->try_choose(folder));
    LLAVA_CHECK(try_choose_conversation(state->conversation, state->description, state->words, options.conversation));
    state->threads = make_executor(options);
    LLAVA_CHECK(state->try_load(folder, options));
    LLAVA_CHECK(state->try_make_room(options));
    return result<std::unique_ptr<pipeline_state>>(std::move(state));
  }

  /// Image tokens of a picture. `see(queue, features)` is called with the tower's features (features, Dv); `tokens` may
  /// be null when they are all that is wanted.
  template <class See>
  result<void> try_encode(const image& picture, const std::stop_token& stop, See&& see, image_tokens* tokens) {
    if (!vit_) return fail(errc::unsupported, "llava: this model has no vision tower; it answers text only");
    LLAVA_TRY(square, try_preprocess(picture, description.image));
    matrix_view<float> y;  // (image_rows, D)
    if (tokens) {
      tokens->rows = image_rows;
      tokens->width = decoder_->config().hidden;
      LLAVA_TRY(memory, backend.memory().try_allocate(static_cast<std::size_t>(tokens->rows) *
                                                          static_cast<std::size_t>(tokens->width) * sizeof(float),
                                                      "image tokens"));
      tokens->memory = std::move(memory);
      y = {reinterpret_cast<float*>(tokens->memory.data()), dynamic_shape<2>(tokens->rows, tokens->width)};
    }
    LLAVA_TRY(lent, workspaces->try_lend());
    return encode(
        lent->queue, square.pixels(), [&] { return !stop.stop_requested(); }, see, y);
  }

 private:
  /// The choices that config.json makes, where M leaves them open. Where M has made them, the activation must agree; a
  /// projector of one's own is what a variant is for, and the names and shapes of its weights are held against the
  /// files.
  result<void> try_choose(const std::string& folder) {
    const auto choose = [&](auto& choice, std::string_view what, std::string_view name) -> result<void> {
      using C = std::remove_reference_t<decltype(choice)>;
      std::string known;
      if constexpr (requires { choice.choose(name); }) {
        if (choice.choose(name)) return {};
        known = C::names();
      } else {
        if (C::name == name) return {};
        known = C::name;
      }
      return fail(errc::unsupported, text_of("llava: ", folder, "/config.json: the ", what, " '", name,
                                             "' is not one of this model type's; known: ", known));
    };
    LLAVA_CHECK(choose(text_activation_, "text activation", description.text_activation));
    if (description.has_vision) {
      LLAVA_CHECK(choose(vision_activation_, "vision activation", description.vision_activation));
      if constexpr (requires { projector_choice_.choose(std::string_view{}); })
        LLAVA_CHECK(choose(projector_choice_, "projector", description.projector_type));
    }
    return {};
  }

  result<void> try_load(const std::string& folder, const open_options& options) {
    const std::string& tower_folder = description.vision_folder;  // empty: the tower is with the others
    if (!tower_folder.empty()) {
      LLAVA_TRY(tower, safetensors_folder::try_open(tower_folder));
      tower_files = std::move(tower);
    }
    [[maybe_unused]] std::string source;
    if constexpr (has_block_weights<P>)
      if (!options.packed_file.empty()) {
        source = files.identity() + tower_files.identity();
        LLAVA_TRY(kept, packed_weights::try_open(options.packed_file, source, *threads));
        packed = std::move(kept);
      }

    // LLaVA's own program cuts both matrices to the tokenizer's tokens.
    const int rows = description.text.vocab, tokens = static_cast<int>(words.size());
    decoder_.emplace(detail::numbers_from<typename numbers::text>(description.text), text_activation_, rows,
                     description.names == naming::original ? (std::min)(rows, tokens) : rows);
    if (description.has_vision) {
      vit_.emplace(detail::numbers_from<typename numbers::vision>(description.vision), vision_activation_);
      if constexpr (std::is_constructible_v<projector_type, projector_config, typename M::projector>)
        projector_.emplace(description.projector, projector_choice_);
      else
        projector_.emplace(description.projector);
      const auto table = normalise_table(description.image);
      LLAVA_CHECK(
          pixel_table.try_fill(stored_rows({dtype::float32, reinterpret_cast<const std::byte*>(table.data())}, 256),
                               tensor_dims{3, 256}, "pixel table", backend.memory()));
    }
    // walk(files, their folder, stages…)
    const auto each_source = [&](auto&& walk) {
      if (!description.has_vision) return walk(files, folder, *decoder_);
      if (tower_folder.empty()) return walk(files, folder, *vit_, *projector_, *decoder_);
      walk(tower_files, tower_folder, *vit_);
      walk(files, folder, *projector_, *decoder_);
    };
    weight_binding binding(folder, backend.memory(), *threads, packed);
    each_source([&](const safetensors_folder& from, const std::string& where, auto&... stages) {
      binding.check(from, description, where, stages...);
    });
    LLAVA_CHECK(binding.try_accept(options.memory_budget ? options.memory_budget
                                                         : (std::numeric_limits<std::uint64_t>::max)()));
    result<void> filled;
    each_source([&](const safetensors_folder& from, const std::string&, auto&... stages) {
      const auto report = [&](const progress& p) { return report_progress(options, p); };
      if (filled) filled = binding.try_fill(from, description, report, stages...);
    });
    LLAVA_CHECK(std::move(filled));
    if constexpr (has_block_weights<P>)
      if (auto laid_out = binding.not_kept(); !options.packed_file.empty() && !laid_out.empty())
        LLAVA_CHECK(packed_weights::try_write(options.packed_file, source, std::move(laid_out)));
    return decoder_->try_prepare(backend.memory());
  }

  /// KV cache and activations.
  result<void> try_make_room(const open_options& options) {
    const int kv_tokens = options.kv_tokens > 0 ? options.kv_tokens : std::clamp(description.text.context, 4096, 32768);
    context = (std::min)(description.text.context, kv_tokens);
    const int count = kv_tokens / kv_block + (kv_tokens % kv_block ? 1 : 0);
    LLAVA_TRY(made, cache_type::try_make(description.text, count, backend.memory()));
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
    LLAVA_CHECK(plan_step(planning, *decoder_, cache, limits));
    if (vit_) LLAVA_CHECK(try_plan_picture(planning));
    return planning.workspace().peak();
  }
  template <class Q>
  result<void> try_plan_picture(Q& q) {
    const int features = vit_->config().features();
    const std::int64_t made = projector_->rows(features);
    if (made < 1 || made > description.text.context)
      return fail(errc::mismatch, text_of("llava: the projector makes ", made, " image tokens of ", features,
                                          " features, expected 1 to ", description.text.context,
                                          ", the model's context: see its rows()"));
    image_rows = static_cast<int>(made);

    arena_scope scope(q.workspace());
    const matrix_view<float> tokens = take_matrix(q, made, decoder_->config().hidden);  // (image_rows, D)
    coverage written(tokens);
    q.workspace().watch(&written);
    const std::vector<std::uint8_t> black(static_cast<std::size_t>(pixel_bytes()));
    result<void> tower;
    const result<void> planned = encode(
        q, black, [] { return true; }, [&](auto& before, matrix_view<const float>) { tower = before.finish(); },
        tokens);
    q.workspace().watch(nullptr);
    LLAVA_CHECK(std::move(tower));
    if (!planned) {
      const std::string sentence(planned.error().sentence());
      const std::size_t from = sentence.starts_with("llava: ") ? 7 : 0;
      return fail(planned.error().code(), text_of("llava: the projector: ", sentence.substr(from)));
    }
    if (const std::ptrdiff_t row = written.first_missing_row(); row >= 0)
      return fail(errc::mismatch,
                  text_of("llava: the projector makes ", made, " image tokens, as its rows() says, but no ",
                          "op writes all of number ", row));
    return {};
  }

  /// Bytes of a square picture.
  std::ptrdiff_t pixel_bytes() const { return std::ptrdiff_t{vit_->config().image} * vit_->config().image * 3; }

  /// A picture's features, which `see` is called with, and from them the image tokens y (image_rows, D), unless y is
  /// empty.
  template <class Q, class GoOn, class See>
  result<void> encode(Q& q, std::span<const std::uint8_t> rgb, GoOn&& go_on, See&& see, matrix_view<float> y) {
    arena_scope scope(q.workspace());
    const vector_view<std::uint8_t> pixels(q.workspace().template take<std::uint8_t>(pixel_bytes()),
                                           dynamic_shape<1>(pixel_bytes()));                               // (S·S·3)
    const matrix_view<float> features = take_matrix(q, vit_->config().features(), vit_->config().hidden);  // (P, Dv)
    upload(q, pixels, rgb);
    if (!vit_->forward(q, features, pixels, pixel_table.matrix(), go_on))
      return fail(errc::cancelled, "llava: the question was cancelled");
    see(q, matrix_view<const float>(features));
    if (!y.empty()) projector_->forward(q, y, as_operand<operand_of<B, typename P::projector>>(q, features));
    return q.finish();
  }

  typename M::vision_activation vision_activation_{};
  typename M::text_activation text_activation_{};
  typename M::projector projector_choice_{};
};

LLAVA_END
