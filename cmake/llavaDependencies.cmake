# SPDX-License-Identifier: Apache-2.0
# The dependencies of llava::llava, found in the same way for the project itself and by find_package(llava):
#   LLAVA_RAPIDJSON_INCLUDE_DIR, or LLAVA_RAPIDJSON_SENTENCE, an error message, if it is not found
#   Threads::Threads
#   llava::image_files      if libjpeg and libpng are installed
#   llava::gif_files        if giflib is installed
#   llava::webp_files       if libwebp and libwebpdemux are installed
#   llava::animation_files  if both are
#   llava::tiff_files       if libtiff is installed
#   llava::any_image_files  if all libraries of image files are
#   llava::video_files      if libavformat, libavcodec, libavutil and libswscale are installed
#   llava::eigen            if Eigen 3.4 is installed
#   llava::serve            if Boost's headers are installed, 1.81 or later
#   llava::serve_tls        if OpenSSL is installed as well, 1.1.1 or later
find_path(LLAVA_RAPIDJSON_INCLUDE_DIR rapidjson/reader.h DOC "Folder that holds rapidjson/reader.h")
string(CONCAT LLAVA_RAPIDJSON_SENTENCE "llava: RapidJSON's headers were not found. Install rapidjson-dev, or set "
  "LLAVA_RAPIDJSON_INCLUDE_DIR to the folder that holds rapidjson/reader.h.")
find_package(Threads REQUIRED)

find_package(JPEG QUIET)
find_package(PNG QUIET)
if(JPEG_FOUND AND PNG_FOUND AND NOT TARGET llava::image_files)
  add_library(llava::image_files INTERFACE IMPORTED GLOBAL)
  target_link_libraries(llava::image_files INTERFACE llava::llava JPEG::JPEG PNG::PNG)
endif()

# llava_add_optional(NAME LIBRARY TARGET HEADER ...): defines llava::NAME if each of the libraries is found. TARGET is
# what a package manager's find_package defines; without it the header and the library are looked for.
function(llava_add_optional name)
  if(TARGET llava::${name})
    return()
  endif()
  set(folders)
  set(libraries)
  while(ARGN)
    list(POP_FRONT ARGN library target header)
    if(TARGET ${target})
      list(APPEND libraries ${target})
      continue()
    endif()
    find_path(LLAVA_${library}_INCLUDE_DIR ${header})
    find_library(LLAVA_${library}_LIBRARY ${library})
    if(NOT LLAVA_${library}_INCLUDE_DIR OR NOT LLAVA_${library}_LIBRARY)
      return()
    endif()
    list(APPEND folders ${LLAVA_${library}_INCLUDE_DIR})
    list(APPEND libraries ${LLAVA_${library}_LIBRARY})
  endwhile()
  add_library(llava::${name} INTERFACE IMPORTED GLOBAL)
  target_include_directories(llava::${name} SYSTEM INTERFACE ${folders})
  target_link_libraries(llava::${name} INTERFACE llava::llava ${libraries})
endfunction()

find_package(GIF CONFIG QUIET)  # CMake's own module needs the language C
find_package(WebP CONFIG QUIET)
set(llava_gif gif GIF::GIF gif_lib.h)
set(llava_webp webpdemux WebP::webpdemux webp/demux.h webp WebP::webp webp/decode.h)
llava_add_optional(gif_files ${llava_gif})
llava_add_optional(webp_files ${llava_webp})
llava_add_optional(animation_files ${llava_gif} ${llava_webp})
find_package(TIFF QUIET)
llava_add_optional(tiff_files tiff TIFF::TIFF tiffio.h)
if(TARGET llava::image_files AND TARGET llava::animation_files AND TARGET llava::tiff_files
   AND NOT TARGET llava::any_image_files)
  add_library(llava::any_image_files INTERFACE IMPORTED GLOBAL)
  target_link_libraries(llava::any_image_files INTERFACE llava::image_files llava::animation_files llava::tiff_files)
endif()

find_package(FFMPEG MODULE QUIET)  # vcpkg's module names what its static libraries need
if(FFMPEG_FOUND AND NOT TARGET llava::video_files)
  add_library(llava::video_files INTERFACE IMPORTED GLOBAL)
  target_include_directories(llava::video_files SYSTEM INTERFACE ${FFMPEG_INCLUDE_DIRS})
  target_link_directories(llava::video_files INTERFACE ${FFMPEG_LIBRARY_DIRS})
  target_link_libraries(llava::video_files INTERFACE llava::llava ${FFMPEG_LIBRARIES})
endif()
find_package(ffmpeg CONFIG QUIET)
llava_add_optional(video_files avformat ffmpeg::avformat libavformat/avformat.h
  avcodec ffmpeg::avcodec libavcodec/avcodec.h swscale ffmpeg::swscale libswscale/swscale.h
  avutil ffmpeg::avutil libavutil/avutil.h)

find_package(Eigen3 3.4 QUIET NO_MODULE)
if(TARGET Eigen3::Eigen AND NOT TARGET llava::eigen)
  add_library(llava::eigen INTERFACE IMPORTED GLOBAL)
  target_link_libraries(llava::eigen INTERFACE llava::llava Eigen3::Eigen)
endif()

# Only headers of Boost are used, so only they are looked for: Boost's own package files differ between systems.
find_path(LLAVA_BOOST_INCLUDE_DIR boost/beast/http/parser.hpp DOC "Folder that holds boost/beast/http/parser.hpp")
if(LLAVA_BOOST_INCLUDE_DIR AND NOT TARGET llava::serve)
  file(STRINGS ${LLAVA_BOOST_INCLUDE_DIR}/boost/version.hpp boost_version REGEX "#define BOOST_VERSION [0-9]+")
  string(REGEX MATCH "[0-9]+" boost_version "${boost_version}")
  if(boost_version GREATER_EQUAL 108100)
    add_library(llava::serve INTERFACE IMPORTED GLOBAL)
    target_include_directories(llava::serve SYSTEM INTERFACE ${LLAVA_BOOST_INCLUDE_DIR})
    target_link_libraries(llava::serve INTERFACE llava::llava)
  endif()
endif()

# https:// for the clients of llava::serve. It is a target of its own: nothing else needs OpenSSL.
find_package(OpenSSL 1.1.1 QUIET)
if(TARGET llava::serve AND TARGET OpenSSL::SSL AND NOT TARGET llava::serve_tls)
  add_library(llava::serve_tls INTERFACE IMPORTED GLOBAL)
  target_link_libraries(llava::serve_tls INTERFACE llava::serve OpenSSL::SSL OpenSSL::Crypto)
endif()
