// SPDX-License-Identifier: Apache-2.0
/// opened_model: the interface of an opened model for conversations, independent of its type, backend and weights.
/// Sessions, batches and the engine use it, so they are compiled once. After opening only workspaces, the blocks of the
/// KV cache, the image cache and the engine change, and they lock.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/chat_model.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>
#include <llava/image/video_plan.hpp>
#include <llava/image/visual.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/pipeline/image_cache.hpp>
#include <llava/pipeline/step_part.hpp>
#include <llava/pipeline/workspace.hpp>
#include <llava/text/conversation_styles.hpp>

LLAVA_BEGIN

class disk_cache;
class engine;
struct open_options;

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
  int prompt_lookup = 0;               ///< most tokens that a step guesses for an answer
  bool prefix_cache = true;            ///< blocks are found by their content
  mutable image_cache encoded_images;  ///< image tokens by content
  std::shared_ptr<disk_cache> disk;    ///< null: none

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
  /// The engine that answers all requests.
  llava::engine& engine() const { return *engine_; }
  /// Computes the image tokens of an image, in the backend's memory, with an adapter or null. `go_on` is called before
  /// every layer of the tower if the backend runs ops at once, and once otherwise; false is errc::cancelled.
  result<std::shared_ptr<const image_tokens>> try_encode_image(const image& img, function_ref<bool()> go_on,
                                                               const adapter* with = nullptr) const;
  /// The image tokens of an image or a video, from the image cache or computed for it.
  result<std::shared_ptr<const image_tokens>> try_encode(const visual& v, function_ref<bool()> go_on,
                                                         const adapter* with = nullptr) const;
  /// Fetches a block from the disk cache into the KV cache. Returns it with a reference, or −1. For the scheduler.
  int load_kept_block(const kv_key& name) const;
  /// Documented in pipeline.hpp.
  result<void> try_keep_cache() const;
  /// Plans a video. Errors: the model takes no videos.
  result<video_plan> try_plan(const video& v) const;
  /// Computes the image tokens of a video.
  result<std::shared_ptr<const image_tokens>> try_encode_video(const video& v, function_ref<bool()> go_on,
                                                               const adapter* with = nullptr) const;
  /// Returns what make() returned for this key, the address of any object. The model keeps it, for parts that are made
  /// when they are first needed. Thread-safe; two threads may make one of which one is dropped.
  result<std::shared_ptr<const void>> try_part(const void* key,
                                               function_ref<result<std::shared_ptr<const void>>()> make) const;
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
  /// For the end of opening, when all members are set.
  void set_engine(std::shared_ptr<llava::engine> made) { engine_ = std::move(made); }
  /// Opens the disk cache that the options name, if any. `type` names the model's type, `instructions` those of the
  /// machine that it uses, if the bytes of an answer depend on them.
  result<void> try_open_disk_cache(const open_options& options, std::string_view type, std::string_view instructions);
  /// Whether the backend cuts the squares of images.
  virtual bool cuts_squares() const = 0;
  /// Returns the squares of a planned image as the tower sees them. `shown`: of try_show.
  virtual result<std::vector<image>> try_read_squares(std::span<const image> shown, const image_plan& plan) const = 0;
  /// Computes the features (n, features, Dv) of the n squares of a planned image.
  virtual result<std::vector<float>> try_features(std::span<const image> shown, const image_plan& plan) const = 0;
  /// Computes the image tokens of a planned image.
  virtual result<image_tokens> try_encode_squares(std::span<const image> shown, const image_plan& plan,
                                                  function_ref<bool()> go_on, const adapter* with) const = 0;
  /// Plans a video of a model that takes videos: description.has_video.
  virtual result<video_plan> try_plan_frames(int frames) const = 0;
  /// Computes the image tokens of a planned video.
  virtual result<image_tokens> try_encode_frames(std::span<const image> shown, const video_plan& plan,
                                                 function_ref<bool()> go_on, const adapter* with) const = 0;
  virtual const memory& device_memory() const = 0;
  /// Bytes of a block of the KV cache, all layers.
  virtual std::size_t block_bytes() const = 0;
  /// Copy a block of the KV cache from and to host memory of that many bytes.
  virtual result<void> try_load_block(int block, std::span<const std::byte> from) const = 0;
  virtual result<void> try_read_block(int block, std::span<std::byte> to) const = 0;
  /// Copies image tokens (rows, D) to host memory.
  virtual result<std::vector<float>> try_values(const image_tokens& tokens) const = 0;

 private:
  /// Returns the images, if the backend cuts squares, or else the squares of their plan, which `cut` then holds.
  result<std::span<const image>> try_show(std::span<const image> images, const image_config& c, const image_plan& plan,
                                          std::vector<image>& cut) const;
  /// Returns image tokens from the disk cache, or null.
  result<std::shared_ptr<const image_tokens>> try_find_kept(const visual& v, const sha256_digest& name) const;

  mutable workspace_pool workspaces_;
  mutable std::mutex parts_mutex_;
  mutable std::vector<std::pair<const void*, std::shared_ptr<const void>>> parts_;
  std::shared_ptr<llava::engine> engine_;
};

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/opened_model_inl.hpp>
#endif
