// SPDX-License-Identifier: Apache-2.0
/// The options of everything that writes a checkpoint.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include <llava/base/dtype.hpp>
#include <llava/base/hook.hpp>
#include <llava/base/progress.hpp>

LLAVA_BEGIN

class executor;

/// How a checkpoint is written.
struct convert_options {
  /// The type of all tensors of floats: f32, f16 or bf16. Empty: as stored, and computed ones in the type that holds
  /// their values best. A value beyond a narrower type's range becomes infinite; try_verify finds it.
  std::optional<dtype> type{};
  /// The original layout: the model's name, by which LLaVA's program chooses its conversation. Empty: the new folder's
  /// name.
  std::string model_name{};
  /// The most bytes of tensors in a file. Larger weights are written in shards.
  std::uint64_t shard_bytes = 5'000'000'000;
  /// Converts values; null: the calling thread does.
  executor* threads = nullptr;
  /// Called after each tensor. Returning false cancels. It may be empty.
  hook<bool(const progress&)> report{};
};

LLAVA_END
