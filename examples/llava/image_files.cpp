// SPDX-License-Identifier: Apache-2.0
/// How the commands read image files: JPEG, PNG, BMP, and what else this build reads.
#include <llava/image/bmp_file.hpp>
#include <llava/image/file.hpp>

#include <cmath>

#include "command.hpp"
#include "option_rules.hpp"
#if LLAVA_COMMAND_GIF
#include <llava/image/gif_file.hpp>
#endif
#if LLAVA_COMMAND_TIFF
#include <llava/image/tiff_file.hpp>
#endif
#if LLAVA_COMMAND_WEBP
#include <llava/image/webp_file.hpp>
#endif

namespace {

constexpr llava::image_format formats[] = {
    llava::bmp_format,
#if LLAVA_COMMAND_GIF
    llava::gif_format,
#endif
#if LLAVA_COMMAND_TIFF
    llava::tiff_format,
#endif
#if LLAVA_COMMAND_WEBP
    llava::webp_format,
#endif
};

constexpr double pixels_of_megapixel = 1e6, bytes_of_mib = 1 << 20;

}  // namespace

void image_file_options::add_to(CLI::App& command) {
  command.add_flag("--apply-orientation", apply_orientation,
                   "Turn the images as their EXIF data say, which LLaVA's own program does not");
  command.add_option("--max-image-mib", mib, "The largest image file, MiB")->check(CLI::Range(1, 4096));
  command
      .add_option("--max-image-megapixels", megapixels,
                  "The largest image, millions of pixels; default: 89.478485, and 16384 pixels a side")
      ->check(CLI::Range(0.000001, static_cast<double>(llava::image_limits::most().pixels) / pixels_of_megapixel));
}

llava::image_options image_file_options::options() const {
  llava::image_options o{.formats = formats};
  o.limits.file_bytes = static_cast<std::size_t>(mib * bytes_of_mib);
  if (apply_orientation) o.exif = llava::orientation::apply;
  if (megapixels) {
    o.limits.pixels = std::llround(*megapixels * pixels_of_megapixel);
    o.limits.side = llava::image_limits::most().side;
  }
  return o;
}

llava::result<llava::image> image_file_options::try_read(const std::string& file) const {
  return llava::try_read_image(file, options());
}
