// SPDX-License-Identifier: Apache-2.0
#include <llava/image/visual.hpp>

#include <vector>

namespace {
llava::image of(int width, int height, std::uint8_t value) {
  llava::image img(width, height);
  for (std::uint8_t& byte : img.pixels()) byte = value;
  return img;
}
}  // namespace

TEST_CASE("R7: visuals are equal only if their sizes and all their bytes are, and they are of one kind", "[image]") {
  std::vector<llava::visual> all;
  all.emplace_back();
  for (const auto& [width, height] : {std::pair{30, 150}, {150, 30}, {50, 90}, {1, 4500}}) {
    all.emplace_back(of(width, height, 7));
    all.emplace_back(of(width, height, 8));
    llava::image last = of(width, height, 7);
    last.pixels().back() = 8;
    all.emplace_back(std::move(last));
    all.emplace_back(*llava::video::try_make({of(width, height, 7)}));
    all.emplace_back(*llava::video::try_make({of(width, height, 7), of(width, height, 7)}));
    all.emplace_back(*llava::video::try_make({of(width, height, 7), of(width, height, 8)}));
    all.emplace_back(*llava::video::try_make({of(width, height, 8), of(width, height, 7)}));
  }
  for (std::size_t i = 0; i < all.size(); ++i)
    for (std::size_t j = 0; j < all.size(); ++j) {
      INFO(i << " " << j);
      CHECK((all[i] == all[j]) == (i == j));
    }
  CHECK(llava::visual(of(30, 150, 7)) == all[1]);
  CHECK(llava::visual(*llava::video::try_make({of(30, 150, 7)}, {0.5}, 2)) == all[4]);  // the times are text
}
