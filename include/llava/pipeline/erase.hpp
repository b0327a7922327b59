// SPDX-License-Identifier: Apache-2.0
/// erase(model): wraps a pipeline in a chat_model. try_open_erased opens a folder as one.
#pragma once
#include <memory>

#include <llava/base/guard.hpp>
#include <llava/chat_model.hpp>
#include <llava/pipeline/open.hpp>
#include <llava/pipeline/opened_model.hpp>

LLAVA_BEGIN

/// Wraps an opened model in a chat_model.
chat_model erase(std::shared_ptr<const opened_model> model);

/// Wraps a pipeline in a chat_model.
template <class M, class B, class P>
chat_model erase(const pipeline<M, B, P>& model) {
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
