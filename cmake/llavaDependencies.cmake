# SPDX-License-Identifier: Apache-2.0
# The dependencies of llava::llava, found in the same way for the project itself and by find_package(llava):
#   LLAVA_RAPIDJSON_INCLUDE_DIR, or LLAVA_RAPIDJSON_SENTENCE, an error message, if it is not found
#   Threads::Threads
#   llava::image_files  if libjpeg and libpng are installed
#   llava::eigen        if Eigen 3.4 is installed
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

find_package(Eigen3 3.4 QUIET NO_MODULE)
if(TARGET Eigen3::Eigen AND NOT TARGET llava::eigen)
  add_library(llava::eigen INTERFACE IMPORTED GLOBAL)
  target_link_libraries(llava::eigen INTERFACE llava::llava Eigen3::Eigen)
endif()
