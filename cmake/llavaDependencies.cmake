# SPDX-License-Identifier: Apache-2.0
# The dependencies of llava::llava, found in the same way for the project itself and by find_package(llava):
#   LLAVA_RAPIDJSON_INCLUDE_DIR, or LLAVA_RAPIDJSON_SENTENCE, an error message, if it is not found
#   Threads::Threads
#   llava::image_files      if libjpeg and libpng are installed
#   llava::animation_files  if giflib, libwebp and libwebpdemux are installed
#   llava::video_files      if libavformat, libavcodec, libavutil and libswscale are installed
#   llava::eigen            if Eigen 3.4 is installed
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

find_path(LLAVA_GIF_INCLUDE_DIR gif_lib.h)  # find_package(GIF) needs the language C
find_library(LLAVA_GIF_LIBRARY gif)
find_path(LLAVA_WEBP_INCLUDE_DIR webp/demux.h)
find_library(LLAVA_WEBP_LIBRARY webp)
find_library(LLAVA_WEBPDEMUX_LIBRARY webpdemux)
if(LLAVA_GIF_INCLUDE_DIR AND LLAVA_GIF_LIBRARY AND LLAVA_WEBP_INCLUDE_DIR AND LLAVA_WEBP_LIBRARY
   AND LLAVA_WEBPDEMUX_LIBRARY AND NOT TARGET llava::animation_files)
  add_library(llava::animation_files INTERFACE IMPORTED GLOBAL)
  target_include_directories(llava::animation_files SYSTEM INTERFACE ${LLAVA_GIF_INCLUDE_DIR} ${LLAVA_WEBP_INCLUDE_DIR})
  target_link_libraries(llava::animation_files INTERFACE llava::llava ${LLAVA_GIF_LIBRARY} ${LLAVA_WEBPDEMUX_LIBRARY}
    ${LLAVA_WEBP_LIBRARY})
endif()

find_path(LLAVA_FFMPEG_INCLUDE_DIR libavformat/avformat.h)
set(LLAVA_FFMPEG_LIBRARIES)
foreach(part avformat avcodec swscale avutil)
  find_library(LLAVA_${part}_LIBRARY ${part})
  list(APPEND LLAVA_FFMPEG_LIBRARIES ${LLAVA_${part}_LIBRARY})
endforeach()
if(LLAVA_FFMPEG_INCLUDE_DIR AND LLAVA_avformat_LIBRARY AND LLAVA_avcodec_LIBRARY AND LLAVA_swscale_LIBRARY
   AND LLAVA_avutil_LIBRARY AND NOT TARGET llava::video_files)
  add_library(llava::video_files INTERFACE IMPORTED GLOBAL)
  target_include_directories(llava::video_files SYSTEM INTERFACE ${LLAVA_FFMPEG_INCLUDE_DIR})
  target_link_libraries(llava::video_files INTERFACE llava::llava ${LLAVA_FFMPEG_LIBRARIES})
endif()

find_package(Eigen3 3.4 QUIET NO_MODULE)
if(TARGET Eigen3::Eigen AND NOT TARGET llava::eigen)
  add_library(llava::eigen INTERFACE IMPORTED GLOBAL)
  target_link_libraries(llava::eigen INTERFACE llava::llava Eigen3::Eigen)
endif()
