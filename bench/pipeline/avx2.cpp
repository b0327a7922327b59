// SPDX-License-Identifier: Apache-2.0
// LLaVA-1.5-7B with AVX2 and no wider instruction set, for comparison with a rival that is compiled for AVX2.
#include "stages.hpp"

#if defined(__x86_64__)
namespace {

const bench::file stages([] {
  if (!llava::is_supported(llava::simd_isa::avx2)) return;
  const auto shape = bench::model_shape::llava_7b(bench::chosen().layers);
  bench::list<llava::f16, llava::q16_0, bench::all_q8_0, llava::q4_0>::each([&]<class F>() {
    using subject = bench::choice<llava::any, llava::simd_as<llava::simd_isa::avx2>, F>;
    bench::add<subject>(bench::encode{shape});
    bench::add<subject>(bench::prefill{640, shape});
    bench::add<subject>(bench::decode{640, shape});
    bench::add<subject>(bench::end_to_end{64, 64, shape});
  });
});

}  // namespace
#endif
