// SPDX-License-Identifier: Apache-2.0
/// opened_model: the interface of an opened model for conversations, independent of its type, backend and weights.
/// Sessions and batches use it, so they are compiled once. After opening only workspaces and the blocks of the KV cache
/// change, and they lock.
#pragma once
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/hook.hpp>
#include <llava/chat_model.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>
#include <llava/image/video.hpp>
#include <llava/image/video_plan.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/pipeline/workspace.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

/// An opened model.
class opened_model {
 public:
  virtual ~opened_model() = default;
  opened_model(const opened_model&) = delete;
  opened_model& operator=(const opened_model&) = delete;

  /// The checkpoint. Its files stay mapped while the weights are used.
  checkpoint opened;
  std::shared_ptr<executor> threads;
  int context = 0;     ///< tokens of the longest conversation
  int image_rows = 0;  ///< image tokens of one square of an image
  step_limits limits;
  std::shared_ptr<block_allocator> blocks;

  virtual std::string_view backend_name() const = 0;
  virtual stage_shapes shapes() const = 0;
  virtual int vocab() const = 0;

  /// @name For sessions and batches
  /// @{

  /// Lends a workspace for steps.
  result<workspace_pool::lease> try_lend() const {
    return workspaces_.try_lend([this] { return try_make_workspace(); });
  }
  /// Returns the prompt of these turns.
  virtual result<std::string> try_prompt(std::span<const message> turns) const = 0;
  /// Plans an image of width × height pixels: its squares and its number of image tokens.
  result<image_plan> try_plan(int width, int height) const;
  /// Computes the image tokens of an image, in the backend's memory, with an adapter or null.
  result<std::shared_ptr<const image_tokens>> try_encode_image(const image& img, const stop_signal& stop,
                                                               const adapter* with = nullptr) const;
  /// Plans a video. Errors: the model takes no videos.
  result<video_plan> try_plan(const video& v) const;
  /// Computes the image tokens of a video.
  result<std::shared_ptr<const image_tokens>> try_encode_video(const video& v, const stop_signal& stop,
                                                               const adapter* with = nullptr) const;
  /// An error if an adapter, which may be null, is not one of this model.
  result<void> try_accept(const adapter* with) const;
  /// @}

  /// @name For pipeline and chat_model
  /// Documented in pipeline.hpp.
  /// @{
  result<std::string> try_first_prompt(std::size_t images, std::string_view question) const;
  result<std::vector<image>> try_squares(const image& img) const;
  result<std::vector<float>> try_pixels(const image& img) const;
  result<std::vector<float>> try_features_of(const image& img) const;
  result<std::vector<float>> try_image_tokens(const image& img) const;
  result<std::vector<float>> try_image_tokens(const video& v) const;
  /// @}

 protected:
  explicit opened_model(checkpoint c) : opened(std::move(c)) {}
  virtual result<std::unique_ptr<workspace>> try_make_workspace() const = 0;
  /// Computes the features (n, features, Dv) of n squares.
  virtual result<std::vector<float>> try_features(std::span<const image> squares) const = 0;
  /// Computes the image tokens of the squares of a planned image.
  virtual result<image_tokens> try_encode(std::span<const image> squares, const image_plan& plan,
                                          const stop_signal& stop, const adapter* with) const = 0;
  /// Plans a video of a model that takes videos: description.has_video.
  virtual result<video_plan> try_plan_frames(int frames) const = 0;
  /// Computes the image tokens of the squares of a planned video.
  virtual result<image_tokens> try_encode_frames(std::span<const image> squares, const video_plan& plan,
                                                 const stop_signal& stop, const adapter* with) const = 0;
  /// Copies image tokens (rows, D) to host memory.
  virtual result<std::vector<float>> try_values(const image_tokens& tokens) const = 0;

 private:
  mutable workspace_pool workspaces_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/opened_model_inl.hpp>
#endif
