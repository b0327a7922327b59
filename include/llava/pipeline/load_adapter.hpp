// SPDX-License-Identifier: Apache-2.0
/// load_adapter(model, folder): loads a LoRA or rsLoRA adapter that PEFT has saved, for sessions and rows of batches of
/// a model on a backend with adapters (backend/adapted.hpp). Opt-in.
///
///   auto model = llava::open<llava::any, llava::adapted<llava::simd>, llava::f16>(folder);
///   auto chat = model.session();
///   chat.adapter = llava::load_adapter(model, "my-adapter");
///
/// The folder holds adapter_config.json and adapter_model.safetensors or .bin. Every tensor must find its place (R19),
/// else an error names it; those of parts of the tower that do not run are not loaded. DoRA, modules saved whole and
/// adapters of the head or the embeddings are errors: such adapters can be merged (open_options::model_base). The
/// weights of the model may be in any format. A and B become floats, or the backend's operands.
#pragma once
#include <memory>
#include <span>
#include <string_view>

#include <llava/base/path_view.hpp>
#include <llava/ops/low_rank.hpp>
#include <llava/pipeline/adapter.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/pipeline.hpp>

LLAVA_BEGIN

namespace detail {
LLAVA_INLINE result<std::shared_ptr<const adapter>> try_load_adapter(std::shared_ptr<const opened_model> model,
                                                                     std::span<const adaptable_weight> weights,
                                                                     const memory& to, int max_rank,
                                                                     std::string_view folder);
}  // namespace detail

/// Loads an adapter. Errors: its files are missing, malformed, or not of this model.
template <class M, class B, class P>
result<std::shared_ptr<const adapter>> try_load_adapter(const pipeline<M, B, P>& model, path_view folder) {
  constexpr bool adapts = ops::adapts_rows<typename B::queue>;
  static_assert(adapts,
                "llava: adapters need a model on adapted<B>: open<M, adapted<B>, F> (llava/backend/adapted.hpp)");
  if constexpr (adapts) {
    const auto& state = model.state();
    return detail::try_load_adapter(model.shared(), state.adaptable, state.backend.memory(), state.backend.max_rank,
                                    folder);
  } else {
    return std::shared_ptr<const adapter>();
  }
}

#if LLAVA_EXCEPTIONS
/// Loads an adapter; throws llava::error.
template <class M, class B, class P>
std::shared_ptr<const adapter> load_adapter(const pipeline<M, B, P>& model, path_view folder) {
  return value_or_throw(try_load_adapter(model, folder));
}
#endif

LLAVA_END

#if LLAVA_HEADER_ONLY
#include <llava/pipeline/load_adapter_inl.hpp>
#endif
