// SPDX-License-Identifier: Apache-2.0
/// Definitions of options.hpp.
#pragma once
#include <llava/base/guard.hpp>
#include <llava/pipeline/options.hpp>

LLAVA_BEGIN

LLAVA_INLINE result<void> try_check(const open_options& o) {
  struct option {
    std::string_view name;
    int value, least, most;
  };
  const option options[] = {{"threads", o.threads, 0, thread_pool::most_threads},
                            {"max_batch_tokens", o.max_batch_tokens, 1, 1 << 16},
                            {"prompt_lookup", o.prompt_lookup, 0, 8},
                            {"max_sequences", o.max_sequences, 1, 1 << 12},
                            {"kv_tokens", o.kv_tokens, 0, 1 << 24},
                            {"device", o.device, -1, 1 << 10}};
  for (const option& n : options)
    if (n.value < n.least || n.value > n.most)
      return fail(errc::invalid_argument,
                  text_of("llava: ", n.name, " is ", n.value, ", expected ", n.least, " to ", n.most));
  if (o.threads_of_host && o.threads_of_host->concurrency() < 1)
    return fail(errc::invalid_argument, text_of("llava: the concurrency() of threads_of_host is ",
                                                o.threads_of_host->concurrency(), ", expected 1 or more"));
  return {};
}

LLAVA_INLINE std::shared_ptr<executor> make_executor(const open_options& o) {
  if (o.threads_of_host) return std::make_shared<steady_executor>(o.threads_of_host);
  return std::make_shared<thread_pool>(o.threads);
}

LLAVA_INLINE bool report_progress(const open_options& o, const progress& p) {
  return !o.report || call_back([&] { return o.report(p); });
}

LLAVA_END
