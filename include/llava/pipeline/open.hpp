// SPDX-License-Identifier: Apache-2.0
/// open<M, B, F>(folder): opens a model of type M on backend B with weights F (a format or a policy), from a folder, a
/// GGUF file, or by the name of one in the Hugging Face cache. A backend with options (an instruction set, a device)
/// is the last argument: open<M, simd, F>(folder, {}, {.isa = simd_isa::avx2}). An invalid combination is a compile
/// error of one sentence.
#pragma once
#include <llava/base/path_view.hpp>
#include <llava/pipeline/pipeline.hpp>

LLAVA_BEGIN

/// Opens a folder. Errors: its files are missing, malformed or not this model.
template <class M, class B, class F>
result<pipeline<M, B, policy_of<F>>> try_open(path_view folder, const open_options& options = {},
                                              const B& backend = {}) {
  return pipeline<M, B, policy_of<F>>::try_open(folder, options, backend);
}

#if LLAVA_EXCEPTIONS
/// Opens a folder; throws llava::error.
template <class M, class B, class F>
pipeline<M, B, policy_of<F>> open(path_view folder, const open_options& options = {}, const B& backend = {}) {
  return value_or_throw(try_open<M, B, F>(folder, options, backend));
}
#endif

LLAVA_END
