// SPDX-License-Identifier: Apache-2.0
// The smallest program: a question about a picture, the answer as it comes.
//   01_ask MODEL PICTURE QUESTION
#include <llava.hpp>             // the core: nothing to link
#include <llava/image/file.hpp>  // JPEG and PNG through libjpeg-turbo and libpng

#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 4) return std::fputs("usage: 01_ask MODEL PICTURE QUESTION\n", stderr), 2;
  try {
    auto model = llava::open<llava::any, llava::simd, llava::f16>(argv[1]);  // immutable, shared
    auto chat = model.session();
    chat.ask(llava::read_image(argv[2]), argv[3],
             [](std::string_view piece) { std::fwrite(piece.data(), 1, piece.size(), stdout); });
    std::puts("");
  } catch (const llava::error& e) {
    return std::fprintf(stderr, "%s\n", e.what()), 1;
  }
}
