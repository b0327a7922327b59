// EXPECT: llava: adapters need a model on adapted<B>: open<M, adapted<B>, F> (llava/backend/adapted.hpp)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>
#include <llava/backend/adapted.hpp>
#include <llava/pipeline/load_adapter.hpp>

#ifdef LLAVA_FIXED
using backend = llava::adapted<llava::simd>;
#else
using backend = llava::simd;
#endif

auto use(const llava::pipeline<llava::llava_1_5_7b, backend, llava::weights<llava::f16>>& model) {
  return llava::try_load_adapter(model, "folder");
}
