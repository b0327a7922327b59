// SPDX-License-Identifier: Apache-2.0
// Smaller weights, by stage: 4 bits for the language model, 8 bits for the vision tower, 16 bits for the head.
//
// The folder's 16-bit weights are quantised while it is opened. With PACKED_FILE the result is saved there, and the
// next start maps that file.
//   04_weights MODEL IMAGE QUESTION [PACKED_FILE]
#include <llava.hpp>
#include <llava/image/file.hpp>

#include <iostream>

// [mixed]
struct mixed : llava::weights<llava::q4_i8> {
  using vision = llava::q8_0;
  using head = llava::f16;
};
// [mixed]

int main(int argc, char** argv) try {
  if (argc < 4) throw std::invalid_argument("usage: 04_weights MODEL IMAGE QUESTION [PACKED_FILE]");
  llava::open_options options;
  if (argc > 4) options.packed_file = argv[4];
  auto model = llava::open<llava::any, llava::simd, mixed>(argv[1], options);
  auto chat = model.session();
  std::cout << chat.ask(llava::read_image(argv[2]), argv[3]).text << '\n';
} catch (const std::exception& e) {
  return std::cerr << e.what() << '\n', 1;
}
