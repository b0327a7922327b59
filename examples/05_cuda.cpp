// SPDX-License-Identifier: Apache-2.0
// Asks on a GPU. This file is compiled as any other: nvcc compiles only the pipeline, which llava_add_model() in
// CMakeLists.txt writes. It is not part of the target `all`, since that takes minutes:
//   cmake --build build/release --target example_05_cuda
//
//   05_cuda MODEL IMAGE QUESTION
#include <llava/image/file.hpp>
#include <llava_open/gpu_chat.hpp>

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: 05_cuda MODEL IMAGE QUESTION");
  const auto model = llava_open_gpu_chat(argv[1], {}).value();  // an error where there is no CUDA device
  auto chat = model.session();
  chat.ask(llava::read_image(argv[2]), argv[3], [](std::string_view text) { std::cout << text << std::flush; });
  std::cout << '\n';
} catch (const std::exception& e) {
  return std::cerr << e.what() << '\n', 1;
}
