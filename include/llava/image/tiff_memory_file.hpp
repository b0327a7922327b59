// SPDX-License-Identifier: Apache-2.0
/// A TIFF file in memory, open in libtiff. Of libtiff 4.5 and later, errors and warnings of the file are taken and
/// ignored, and no allocation is larger than the file and 256 MiB. Earlier releases print errors to standard error.
/// Opt-in: link libtiff (target llava::tiff_files).
#pragma once
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <memory>
#include <span>

#include <llava/base/macros.hpp>

LLAVA_BEGIN

namespace detail {

class tiff_in_memory {
 public:
  /// `bytes` must outlive it.
  explicit tiff_in_memory(std::span<const std::byte> bytes) : bytes_(bytes) { open(); }
  tiff_in_memory(const tiff_in_memory&) = delete;
  tiff_in_memory& operator=(const tiff_in_memory&) = delete;

  /// Null if libtiff cannot open it.
  TIFF* get() const { return file_.get(); }
  /// A tag whose value has 16 bits, or its default.
  int tag(std::uint32_t name) const {
    std::uint16_t value = 0;
    return TIFFGetFieldDefaulted(get(), name, &value) ? value : 0;
  }

 private:
  struct closer {
    void operator()(TIFF* file) const { TIFFClose(file); }
  };
  static tmsize_t read(thandle_t self, void* to, tmsize_t count) {
    auto& r = *static_cast<tiff_in_memory*>(self);
    const std::size_t n = (std::min)(r.bytes_.size() - r.at_, static_cast<std::size_t>((std::max)(count, tmsize_t{0})));
    if (n > 0) std::memcpy(to, r.bytes_.data() + r.at_, n);
    r.at_ += n;
    return static_cast<tmsize_t>(n);
  }
  static toff_t seek(thandle_t self, toff_t to, int from) {
    auto& r = *static_cast<tiff_in_memory*>(self);
    const toff_t begin = from == SEEK_CUR ? r.at_ : from == SEEK_END ? r.bytes_.size() : 0;
    r.at_ = static_cast<std::size_t>((std::min)(begin + to, toff_t{r.bytes_.size()}));
    return r.at_;
  }
  void open() {
    const auto write = [](thandle_t, void*, tmsize_t) { return tmsize_t{0}; };
    const auto close = [](thandle_t) { return 0; };
    const auto size = [](thandle_t self) { return toff_t{static_cast<tiff_in_memory*>(self)->bytes_.size()}; };
    const auto map = [](thandle_t, void**, toff_t*) { return 0; };
    const auto unmap = [](thandle_t, void*, toff_t) {};
    constexpr const char* mode = "rm";  // not mapped
#if TIFFLIB_VERSION >= 20221213
    const auto ignore = [](TIFF*, void*, const char*, const char*, va_list) { return 1; };
    const std::unique_ptr<TIFFOpenOptions, void (*)(TIFFOpenOptions*)> options(TIFFOpenOptionsAlloc(),
                                                                               &TIFFOpenOptionsFree);
    if (!options) return;
    TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(bytes_.size()) + (tmsize_t{256} << 20));
    TIFFOpenOptionsSetErrorHandlerExtR(options.get(), ignore, nullptr);
    TIFFOpenOptionsSetWarningHandlerExtR(options.get(), ignore, nullptr);
    file_.reset(TIFFClientOpenExt("", mode, this, read, write, seek, close, size, map, unmap, options.get()));
#else
    file_.reset(TIFFClientOpen("", mode, this, read, write, seek, close, size, map, unmap));
#endif
  }

  std::span<const std::byte> bytes_;
  std::size_t at_ = 0;
  std::unique_ptr<TIFF, closer> file_;
};

}  // namespace detail

LLAVA_END
