// SPDX-License-Identifier: Apache-2.0
// Opens a folder that does not exist through an instantiated pipeline. The result must be an error with a sentence.
#include <llava_open/any_scalar_f32.hpp>

#include <cstdio>

int main() {
  const auto model = llava_open_any_scalar_f32("no-such-folder", {});
  if (model) return 1;
  std::printf("%s\n", model.error().what());
  return model.error().sentence().empty() ? 1 : 0;
}
