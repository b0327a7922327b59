// SPDX-License-Identifier: Apache-2.0
// The smallest program: asks a question about an image and streams the answer.
//   01_ask MODEL IMAGE QUESTION
#include <llava.hpp>             // the library
#include <llava/image/file.hpp>  // JPEG and PNG, through libjpeg-turbo and libpng

#include <iostream>

int main(int argc, char** argv) try {
  if (argc != 4) throw std::invalid_argument("usage: 01_ask MODEL IMAGE QUESTION");
  auto model = llava::open<llava::any, llava::simd, llava::f16>(argv[1]);
  auto chat = model.session();
  chat.ask(llava::read_image(argv[2]), argv[3], [](std::string_view text) { std::cout << text << std::flush; });
  std::cout << '\n';
} catch (const std::exception& e) {
  return std::cerr << e.what() << '\n', 1;
}
