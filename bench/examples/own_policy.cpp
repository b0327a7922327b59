// SPDX-License-Identifier: Apache-2.0
// A custom weight policy against the library's, on a whole stage, in one line.
//   bench_own_policy [--threads=N] [--model=FOLDER]
#include "../pipeline/stages.hpp"

struct mixed : llava::weights<llava::f16> {
  static constexpr std::string_view name = "mixed";
  using head = llava::f32;
};

int main(int argc, char** argv) {
  return bench::compare<bench::choice<llava::any, llava::simd, llava::f16>,
                        bench::choice<llava::any, llava::simd, mixed>>(
      argc, argv, bench::decode{640, bench::model_shape::llava_7b(8)});
}
