// SPDX-License-Identifier: Apache-2.0
/// The squares that the vision tower sees, in the backend's memory. A backend that has ops::has_resize cuts them there
/// from images; for any other the host cuts them, and they are uploaded.
#pragma once
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>
#include <llava/image/image.hpp>
#include <llava/image/plan.hpp>
#include <llava/image/preprocess_on_device.hpp>
#include <llava/ops/operand.hpp>
#include <llava/ops/rows.hpp>
#include <llava/tensor/arena.hpp>

LLAVA_BEGIN

/// The most squares that the tower takes at a time.
inline constexpr std::ptrdiff_t squares_at_once = 4;

/// squares(first, n): n squares (n·S·S·3) from the square `first` on. They live as long as the caller's arena_scope.
/// Calls are in order; of several images with one square each, `first` is a multiple of squares_at_once.
using square_source = function_ref<result<vector_view<const std::uint8_t>>(std::ptrdiff_t first, std::ptrdiff_t n)>;

namespace detail {

/// Uploads squares that the host has cut.
template <class Q>
class uploaded_squares {
 public:
  uploaded_squares(Q& q, std::span<const image> squares, int side)
      : q_(&q), squares_(squares), bytes_(std::ptrdiff_t{3} * side * side) {}

  result<vector_view<const std::uint8_t>> operator()(std::ptrdiff_t first, std::ptrdiff_t n) const {
    const vector_view<std::uint8_t> rgb(q_->workspace().template allocate<std::uint8_t>(n * bytes_),
                                        dynamic_shape<1>(n * bytes_));
    for (std::ptrdiff_t i = 0; i < n; ++i)
      upload(*q_, vector_view<std::uint8_t>(rgb.data() + i * bytes_, dynamic_shape<1>(bytes_)),
             squares_[static_cast<std::size_t>(first + i)].pixels());
    return vector_view<const std::uint8_t>(rgb);
  }

 private:
  Q* q_;
  std::span<const image> squares_;
  std::ptrdiff_t bytes_;  // of a square
};

/// Cuts squares from images, those of one image all at once.
template <class Q>
class squares_on_device {
 public:
  squares_on_device(Q& q, std::span<const image> images, const image_config& c, const image_plan& plan)
      : q_(&q),
        images_(images),
        c_(&c),
        plan_(&plan),
        scope_(q.workspace()),
        squares_(allocate_matrix<std::uint8_t>(
            q,
            (std::max)(std::ptrdiff_t{plan.squares()},
                       (std::min)(static_cast<std::ptrdiff_t>(images.size()), squares_at_once)),
            std::ptrdiff_t{3} * c.crop * c.crop)) {}

  result<vector_view<const std::uint8_t>> operator()(std::ptrdiff_t first, std::ptrdiff_t n) const {
    const std::ptrdiff_t of_image = plan_->squares(), held = squares_.extent(0);
    for (std::ptrdiff_t i = first; i < first + n; ++i)
      if (i % of_image == 0)
        LLAVA_CHECK(try_cut_on_device(*q_, rows_of(squares_, i % held, of_image),
                                      images_[static_cast<std::size_t>(i / of_image)], *c_, *plan_));
    return vector_view<const std::uint8_t>(squares_.row(first % held), dynamic_shape<1>(n * squares_.extent(1)));
  }

 private:
  Q* q_;
  std::span<const image> images_;
  const image_config* c_;
  const image_plan* plan_;
  arena_scope scope_;
  matrix_view<std::uint8_t> squares_;  // (those of an image, or one of each of some images; 3·S·S)
};

}  // namespace detail

/// The square_source of images that have the squares of `plan` each. `shown`: on a backend that has ops::has_resize the
/// images, otherwise their squares. All arguments outlive it.
template <class B, class Q>
auto squares_of(Q& q, std::span<const image> shown, const image_config& c, const image_plan& plan) {
  if constexpr (ops::has_resize<B>)
    return detail::squares_on_device<Q>(q, shown, c, plan);
  else
    return detail::uploaded_squares<Q>(q, shown, c.crop);
}

/// Returns the squares of a planned image as the tower sees them.
template <class B, class Q>
result<std::vector<image>> try_read_squares(Q& q, std::span<const image> shown, const image_config& c,
                                            const image_plan& plan) {
  std::vector<image> all(static_cast<std::size_t>(plan.squares()), image(c.crop, c.crop));
  const auto squares = squares_of<B>(q, shown, c, plan);
  for (std::size_t i = 0; i < all.size(); ++i) {
    arena_scope scope(q.workspace());
    LLAVA_TRY(rgb, squares(static_cast<std::ptrdiff_t>(i), 1));
    download(q, all[i].pixels(), rgb);
  }
  LLAVA_CHECK(q.finish());
  return result<std::vector<image>>(std::move(all));
}

LLAVA_END
