// SPDX-License-Identifier: Apache-2.0
/// R12 as a test: each allocation of a call is refused once.
#pragma once
#include <allocations.hpp>
#include <llava/base/error.hpp>

#include "llava_catch.hpp"

/// Calls `call()`, which returns a result, with allocation 0, 1, 2 … refused, until none is any more or there were
/// `most`; steps of `stride` where calls are many. Then it answers with errc::out_of_memory, or does without. Returns
/// how many were refused. `code` is what the call's own error has, where it is one.
template <class Call>
int refuse_each(Call&& call, int most = 2000, int stride = 1, llava::errc code = llava::errc::out_of_memory) {
  int refusals = 0;
  for (long n = 0; refusals < most; n += stride) {
    allocations::refuse_one one(n);
    const auto r = call();
    const bool refused = one.refused();
    allocations::left = -1;
    if (!refused) {
      if (!r && r.error().code() != code) FAIL(r.error().what());
      if (r && code != llava::errc::out_of_memory) FAIL("no error");
      return refusals;
    }
    ++refusals;
    if (!r) {
      INFO("allocation " << n << ": " << r.error().what());
      REQUIRE((r.error().code() == llava::errc::out_of_memory || r.error().code() == code));
    }
  }
  return refusals;
}
