// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>
#include <llava/pipeline/memory_needs.hpp>

#include <formats.hpp>

#include "facts.hpp"

void add_memory(const llava::checkpoint& from, facts& to) {
  bool opens = false;
  std::uint64_t of_token = 0;
  std::string why;
  each_format([&]<class F>(std::string_view name) {
    const auto needs = llava::try_memory_needs<llava::any, llava::simd, F>(from);
    if (!needs) {
      if (why.empty()) why = needs.error().what();
      return;
    }
    opens = true, of_token = needs->of_token;
    facts::object o;
    set_member(o, "dtype", name);
    set_member(o, "allocated", bytes_in_json(needs->allocated));
    set_member(o, "mapped", bytes_in_json(needs->mapped));
    to.add_to("memory",
              llava::text_of("--dtype ", name, ": ", needs->allocated, " bytes, and ", needs->mapped,
                             " of the files where they are mapped"),
              std::move(o));
  });
  if (opens)
    to.add("cache", llava::text_of(of_token, " bytes of KV cache for each token"), bytes_in_json(of_token));
  else
    to.add("memory", llava::text_of("unknown, because the files do not fit: ", why), llava::json_value());
}
