// SPDX-License-Identifier: Apache-2.0
/// read_frames: reads a folder of JPEG and PNG files as a video, one file a frame, in the order of their names. Other
/// files are ignored. All frames are taken if they are no more than asked for; of more, as many at equal distances.
/// Opt-in: link libjpeg-turbo and libpng (target llava::image_files).
#pragma once
#include <dirent.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <llava/image/file.hpp>
#include <llava/image/sample_frames.hpp>

LLAVA_BEGIN

/// Frames a second of a folder of frames, as LLaVA-NeXT assumes.
inline constexpr double folder_rate = 2;

namespace detail {

/// Whether a name ends in .jpg, .jpeg or .png, in any case.
inline bool names_an_image(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return false;
  std::string ending(name.substr(dot + 1));
  for (char& c : ending) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return ending == "jpg" || ending == "jpeg" || ending == "png";
}

/// The names of the images in a folder, sorted by their bytes.
inline result<std::vector<std::string>> try_frame_names(const std::string& folder) {
  const std::unique_ptr<::DIR, int (*)(::DIR*)> at(::opendir(folder.c_str()), &::closedir);
  if (!at) return fail_of_system(errno, "llava: cannot read the folder of frames ", folder);
  std::vector<std::string> names;
  const auto next = [&] { return errno = 0, ::readdir(at.get()); };  // only errno tells the end from a failure
  while (const ::dirent* entry = next())
    if (names_an_image(entry->d_name)) names.emplace_back(entry->d_name);
  if (errno != 0) return fail_of_system(errno, "llava: cannot read the folder of frames ", folder);
  if (names.empty())
    return fail(errc::not_found, text_of("llava: the folder ", folder, " has no frames, expected JPEG or PNG files"));
  std::sort(names.begin(), names.end());
  return result<std::vector<std::string>>(std::move(names));
}

/// All of `count` frames, or as many at equal distances.
inline result<frame_sample> try_sample_folder(std::int64_t count, double rate, const frame_request& wanted) {
  const bool all = !wanted.uniform && count <= wanted.most;
  return try_sample_frames(count, rate, all ? static_cast<int>(count) : wanted.most, true);
}

}  // namespace detail

/// Reads the frames that `wanted` chooses of a folder. `rate`: frames a second, for the times of the frames.
inline result<video> try_read_frames(const std::string& folder, const frame_request& wanted = {},
                                     double rate = folder_rate, const image_options& options = {}) {
  return guarded([&]() -> result<video> {
    LLAVA_TRY(names, detail::try_frame_names(folder));
    LLAVA_TRY(sample, detail::try_sample_folder(static_cast<std::int64_t>(names.size()), rate, wanted));
    image frame;
    std::int64_t at = -1;
    return detail::try_collect(std::move(sample), folder, [&](std::int64_t index) -> result<const image*> {
      if (index == at) return &frame;
      LLAVA_TRY(read, try_read_image(folder + "/" + names[static_cast<std::size_t>(index)], options));
      frame = std::move(read), at = index;
      return &frame;
    });
  });
}

#if LLAVA_EXCEPTIONS
/// The same, throwing llava::error.
inline video read_frames(const std::string& folder, const frame_request& wanted = {}, double rate = folder_rate,
                         const image_options& options = {}) {
  return value_or_throw(try_read_frames(folder, wanted, rate, options));
}
#endif

LLAVA_END
