# SPDX-License-Identifier: Apache-2.0
# One translation unit per pipeline, so that the rest of a program never parses the library.
#
#   llava_instantiate(TARGET app MODEL llava::any BACKEND llava::simd WEIGHTS llava::f16 [NAME any_simd_f16]
#                     [HEADER my_model.hpp …])
#
# adds to `app` a source that compiles this one pipeline and a header <llava_open/any_simd_f16.hpp> that declares
#
#   llava::result<llava::chat_model> llava_open_any_simd_f16(llava::path_view, const llava::open_options&);
#
# The default NAME is MODEL, BACKEND and WEIGHTS without `llava::`, joined by `_`. HEADER defines a MODEL, BACKEND or
# WEIGHTS that llava.hpp lacks; there may be several.
#
#   llava_add_model(my_chat MODEL mine BACKEND llava::simd WEIGHTS llava::f16 HEADER my_model.hpp)
#
# builds the same as a static library `my_chat`, whose function is llava_open_my_chat().

function(llava_instantiate)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "TARGET;NAME;MODEL;BACKEND;WEIGHTS" "HEADER")
  foreach(needed TARGET MODEL BACKEND WEIGHTS)
    if(NOT arg_${needed})
      message(FATAL_ERROR "llava_instantiate: ${needed} is missing.")
    endif()
  endforeach()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "llava_instantiate: unknown arguments: ${arg_UNPARSED_ARGUMENTS}.")
  endif()
  if(NOT arg_NAME)
    string(REPLACE "llava::" "" arg_NAME "${arg_MODEL}_${arg_BACKEND}_${arg_WEIGHTS}")
    string(REGEX REPLACE "[^A-Za-z0-9]+" "_" arg_NAME "${arg_NAME}")
  endif()

  set(NAME ${arg_NAME})
  set(MODEL ${arg_MODEL})
  set(BACKEND ${arg_BACKEND})
  set(WEIGHTS ${arg_WEIGHTS})
  set(INCLUDE_HEADER "")
  foreach(header IN LISTS arg_HEADER)
    string(APPEND INCLUDE_HEADER "#include \"${header}\"\n")
  endforeach()
  if(arg_HEADER)
    target_include_directories(${arg_TARGET} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/llava_instantiate/${arg_TARGET})
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/instantiate.cpp.in ${folder}/${NAME}.cpp @ONLY)
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/instantiate.hpp.in ${folder}/llava_open/${NAME}.hpp @ONLY)

  target_sources(${arg_TARGET} PRIVATE ${folder}/${NAME}.cpp)
  target_link_libraries(${arg_TARGET} PUBLIC llava::llava)
  target_include_directories(${arg_TARGET} PUBLIC ${folder})
endfunction()

function(llava_add_model name)
  add_library(${name} STATIC)
  llava_instantiate(TARGET ${name} NAME ${name} ${ARGN})
endfunction()
