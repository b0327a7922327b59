// SPDX-License-Identifier: Apache-2.0
/// erase(model): wraps a pipeline in a chat_model. try_open_erased opens a folder as one. On a backend with adapters
/// (backend/adapted.hpp) the chat_model loads adapters, for which pipeline/load_adapter.hpp must be included.
#pragma once
#include <memory>
#include <string_view>

#include <llava/base/guard.hpp>
#include <llava/base/hook.hpp>
#include <llava/chat_model.hpp>
#include <llava/ops/low_rank.hpp>
#include <llava/pipeline/open.hpp>
#include <llava/pipeline/opened_model.hpp>

LLAVA_BEGIN

/// Loads the adapter of a folder.
using load_adapter_hook = hook<result<std::shared_ptr<const adapter>>(std::string_view)>;

/// Wraps an opened model in a chat_model, which loads adapters with `load`.
chat_model erase(std::shared_ptr<const opened_model> model, load_adapter_hook load = {});

/// Wraps a pipeline in a chat_model.
template <class M, class B, class P>
chat_model erase(const pipeline<M, B, P>& model) {
  if constexpr (ops::adapts_rows<typename B::queue>) {
    constexpr bool loads = requires { try_load_adapter(model, std::string_view()); };
    static_assert(loads, "llava: a chat_model on adapted<B> loads adapters: include llava/pipeline/load_adapter.hpp");
    if constexpr (loads)
      return erase(model.shared(), [model](std::string_view folder) { return try_load_adapter(model, folder); });
  }
  return erase(model.shared());
}

/// Opens a folder as a chat_model.
template <class M, class B, class F>
result<chat_model> try_open_erased(path_view folder, const open_options& options, const B& backend = {}) {
  LLAVA_TRY(model, try_open<M, B, F>(folder, options, backend));
  return guarded([&]() -> result<chat_model> { return erase(model); });
}

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/erase_inl.hpp>
#endif
