// EXPECT: llava: M::decoder is not a decoder (contract: llava/llm/concept.hpp)
// SPDX-License-Identifier: Apache-2.0
#include <llava.hpp>

struct half_a_decoder {
  static constexpr std::string_view name = "llama";
#ifdef LLAVA_FIXED
  template <class B, class Numbers, class P, class Act>
  using stage = llava::llama_decoder::stage<B, Numbers, P, Act>;
#else
  template <class B, class Numbers, class P, class Act>
  struct stage {
    stage(Numbers, Act, int, int) {}
    template <class Visit>
    void each(Visit&&) {}
  };
#endif
};

struct mine : llava::llava_1_5_7b {
  using decoder = half_a_decoder;
};

auto use() { return llava::try_open<mine, llava::scalar, llava::f16>("folder"); }
