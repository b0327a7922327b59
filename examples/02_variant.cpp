// SPDX-License-Identifier: Apache-2.0
// A variant of LLaVA-1.5, as types, with its own projector, which keeps every fourth feature, so that an image takes a
// quarter of the tokens. Without a folder the program only prints the sizes of such a model.
//   02_variant [MODEL]
#include <llava.hpp>

#include <cstdio>

// [projector]
struct thinned_mlp {
  static constexpr std::string_view name = "thinned_mlp";

  template <class B, class F>
  class stage {
   public:
    using operand = llava::operand_of<B, F>;  // element type of matmul operands: float on a CPU
    explicit stage(const llava::projector_config& c) : inner_(c) {}

    template <class Visit>
    void each(Visit&& visit) {
      inner_.each(visit);
    }  // the same weights as mlp_gelu, under the same names

    int rows(int features) const { return features / 4; }

    template <class Q>
    void forward(Q& q, llava::matrix_view<float> y,
                 llava::matrix_view<const operand> x) const {  // (P, Dv) -> (P / 4, D)
      const llava::matrix_view<const operand> first_of_four(
          x.data(), llava::dynamic_shape<2>(x.extent(0) / 4, x.extent(1)), 4 * x.stride());
      inner_.forward(q, y, first_of_four);
    }

   private:
    llava::mlp_gelu::stage<B, F> inner_;
  };
};
// [projector]

// [variant]
struct mine : llava::llava_1_5_7b {
  static constexpr auto text = llava::with(llava::llava_1_5_7b::text, [](auto& c) { c.kv_heads = 8; });
  using projector = thinned_mlp;
};
struct mixed : llava::weights<llava::f16> {
  using head = llava::bf16;
};
// [variant]

int main(int argc, char** argv) {
  std::printf("%d image tokens an image, %d key heads\n",
              thinned_mlp::stage<llava::simd, llava::f16>(mine::projection).rows(mine::vision.features()),
              mine::text.kv_heads);
  if (argc < 2) return 0;
  const auto model = llava::try_open<mine, llava::simd, mixed>(argv[1]);
  if (!model) return std::fprintf(stderr, "%s\n", model.error().what()), 1;
}
