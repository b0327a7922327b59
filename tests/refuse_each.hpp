// SPDX-License-Identifier: Apache-2.0
/// Tests R12: each allocation of a call is refused once.
#pragma once
#include <allocations.hpp>
#include <llava/base/error.hpp>

#include "llava_catch.hpp"

/// Calls `call()`, which returns a result, with allocation 0, `stride`, 2 `stride` … refused, until none is refused any
/// more or there were `most` refusals. The call must return errc::out_of_memory or do without the memory. `code` is the
/// call's own error, if it has one. Returns the number of refusals.
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
