// EXPECT: llava: weights must be a format (llava::f16) or a policy (llava::weights<F>)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

#ifdef LLAVA_FIXED
using chosen = llava::f16;
#else
using chosen = int;
#endif

auto use() { return llava::try_open<llava::llava_1_5_7b, llava::scalar, chosen>("folder"); }
