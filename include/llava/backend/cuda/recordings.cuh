// SPDX-License-Identifier: Apache-2.0
/// recordings: the CUDA graphs of a queue, one for each shape of step that came at least twice. A shape that comes
/// once, such as the last chunk of a long prompt, would cost more to record than it saves.
#pragma once
#include <algorithm>
#include <cstddef>
#include <memory>
#include <vector>

#include <llava/backend/cuda/owned.cuh>

LLAVA_CUDA_BEGIN

class recordings {
 public:
  /// The most shapes that are kept; the least recently used is forgotten.
  static constexpr std::size_t most = 64;

  /// The graph of a shape; empty at first. `seen` says whether the shape came before.
  template <class Shape>
  graph& of(const Shape& shape, bool& seen) {
    const auto found = std::find_if(all_.begin(), all_.end(), [&](const auto& r) {
      return r->type == &type_of<Shape> && static_cast<const recording_of<Shape>&>(*r).shape == shape;
    });
    seen = found != all_.end();
    if (seen) {
      std::rotate(all_.begin(), found, found + 1);
    } else {
      all_.insert(all_.begin(), std::make_unique<recording_of<Shape>>(shape));
      if (all_.size() > most) all_.pop_back();
    }
    return all_.front()->recorded;
  }

 private:
  struct recording {
    explicit recording(const char* t) : type(t) {}
    virtual ~recording() = default;
    const char* type;
    cuda_backend::graph recorded;
  };
  template <class Shape>
  static constexpr char type_of = 0;
  template <class Shape>
  struct recording_of final : recording {
    explicit recording_of(const Shape& s) : recording(&type_of<Shape>), shape(s) {}
    Shape shape;
  };

  std::vector<std::unique_ptr<recording>> all_;  // the most recent first
};

LLAVA_CUDA_END
