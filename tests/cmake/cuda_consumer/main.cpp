// SPDX-License-Identifier: Apache-2.0
// Opens a model on CUDA and prints the error, if there is one.
#include <llava_open/pipeline.hpp>

#include <cstdio>

int main(int argc, char** argv) {
  const auto model = llava_open_pipeline(argc > 1 ? argv[1] : "", {});
  std::printf("%s\n", model ? "opened" : model.error().what());
  return model ? 0 : 1;
}
