// SPDX-License-Identifier: Apache-2.0
/// try_memory_needs<M, B, F>: the memory that an opened checkpoint will take with weights in the formats of policy F,
/// before anything of it is loaded. Opt-in, for tools. As in loading, the stages state the weights, and each weight the
/// bytes that it allocates.
#pragma once
#include <cstdint>
#include <set>
#include <string>
#include <utility>

#include <llava/base/executor.hpp>
#include <llava/base/guard.hpp>
#include <llava/checkpoint/bind.hpp>
#include <llava/checkpoint/checkpoint.hpp>
#include <llava/llm/kv_cache.hpp>
#include <llava/pipeline/stages.hpp>
#include <llava/quant/format.hpp>

LLAVA_BEGIN

/// Bytes that a model takes. Activations are not among them: they depend on open_options::max_batch_tokens.
struct memory_needs {
  std::uint64_t allocated = 0;  ///< for weights
  std::uint64_t mapped = 0;     ///< of files, used where they are mapped: the system may drop them and read them again
  std::uint64_t of_token = 0;   ///< of the KV cache, for one token
};

/// The memory for weights F, a format or a policy, on backend B. Errors: those of opening the model with them, for
/// instance weights that are quantised in another format.
template <class M, class B, class F>
result<memory_needs> try_memory_needs(const checkpoint& from, const B& backend = B()) {
  return guarded([&]() -> result<memory_needs> {
    using policy = policy_of<F>;
    LLAVA_TRY(stages, (model_stages<M, B, policy>::try_make(from)));
    const packed_weights none;
    serial_executor one;
    weight_binding binding(from.tensors, from.path, backend.memory(), one, none);
    binding.check(from.description, stages);
    LLAVA_CHECK(binding.try_accept());
    memory_needs needs;
    needs.allocated = binding.bytes_needed();
    std::set<const stored_tensor*> counted;
    const auto add = [&](const std::string& name, weight_slot& slot, const tensor_dims& dims) {
      const stored_tensor& t = *from.tensors.find(name);
      const bool in_place =
          t.with_rows(dims.columns(), [&](const row_source& r) { return !slot.bytes_needed(r, dims); });
      if (in_place && counted.insert(&t).second) needs.mapped += t.rows ? t.stored_bytes : t.bytes.size();
    };
    stages.each(function_ref<void(const std::string&, weight_slot&, const tensor_dims&)>(add));
    using cache = kv_cache<kv_layout_of<B, typename policy::kv_cache>>;
    LLAVA_TRY(block, cache::try_size(from.description.text, 1));
    needs.of_token = block / kv_block;
    return needs;
  });
}

LLAVA_END
