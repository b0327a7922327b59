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
#
# nvcc compiles the source of BACKEND llava::cuda, cuda_deterministic or cuda_cublaslt, for the project's
# CMAKE_CUDA_ARCHITECTURES, or for 80, 90a and PTX for later ones if nobody sets them. The project enables the language
# CUDA. The program's other sources are compiled as before. CMake links the CUDA runtime statically; no driver is needed
# to build, or to start the program. llava::cuda_cublaslt also links CUDA::cublasLt.

# llava_compile_by_nvcc(TARGET SOURCE): adds a source file in CUDA C++20 to a target.
function(llava_compile_by_nvcc target source)
  if(NOT CMAKE_CUDA_COMPILER_LOADED)
    message(FATAL_ERROR "llava_instantiate: BACKEND llava::cuda is compiled by nvcc, but this project has not enabled "
      "the language CUDA. Write project(… LANGUAGES CXX CUDA), or enable_language(CUDA) before this call. If CMake "
      "then finds no nvcc, install the CUDA toolkit, or configure with -DCMAKE_CUDA_COMPILER=/path/to/nvcc.")
  endif()
  if(NOT CMAKE_CUDA_COMPILER_ID STREQUAL "NVIDIA" OR CMAKE_CUDA_COMPILER_VERSION VERSION_LESS 12.0)
    message(FATAL_ERROR "llava_instantiate: the CUDA compiler is ${CMAKE_CUDA_COMPILER_ID} "
      "${CMAKE_CUDA_COMPILER_VERSION}, expected nvcc 12.0 or later, which knows C++20. Configure with "
      "-DCMAKE_CUDA_COMPILER=/path/to/nvcc.")
  endif()
  target_sources(${target} PRIVATE ${source})
  foreach(kind STANDARD EXTENSION)
    if(NOT DEFINED CMAKE_CUDA20_${kind}_COMPILE_OPTION)  # CMake 3.25 does not know it
      set(CMAKE_CUDA20_${kind}_COMPILE_OPTION -std=c++20 CACHE INTERNAL "nvcc's option for C++20")
    endif()
  endforeach()
  get_target_property(standard ${target} CUDA_STANDARD)
  if(NOT standard OR standard LESS 20)
    set_target_properties(${target} PROPERTIES CUDA_STANDARD 20 CUDA_STANDARD_REQUIRED ON)
  endif()
  get_target_property(architectures ${target} CUDA_ARCHITECTURES)
  if(architectures MATCHES "^(52|75|.*-NOTFOUND)$")  # what CMake takes from nvcc 12 or 13 if nobody sets them
    set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES "80-real;90a-real;90-virtual")
  endif()
endfunction()

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
  set(extension cpp)
  if(arg_BACKEND MATCHES "(^|<| )llava::cuda(_deterministic|_cublaslt)?($|>| )")
    set(backend_header cuda)
    if(CMAKE_MATCH_2 STREQUAL "_cublaslt")
      set(backend_header cuda_cublaslt)
    endif()
    set(INCLUDE_HEADER "#include <llava/backend/${backend_header}.hpp>\n")
    set(extension cu)
  endif()
  foreach(header IN LISTS arg_HEADER)
    string(APPEND INCLUDE_HEADER "#include \"${header}\"\n")
  endforeach()
  if(arg_HEADER)
    target_include_directories(${arg_TARGET} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
  endif()
  set(folder ${CMAKE_CURRENT_BINARY_DIR}/llava_instantiate/${arg_TARGET})
  set(source ${folder}/${NAME}.${extension})
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/instantiate.cpp.in ${source} @ONLY)
  configure_file(${CMAKE_CURRENT_FUNCTION_LIST_DIR}/instantiate.hpp.in ${folder}/llava_open/${NAME}.hpp @ONLY)

  if(extension STREQUAL "cu")
    llava_compile_by_nvcc(${arg_TARGET} ${source})
    if(backend_header STREQUAL "cuda_cublaslt")
      find_package(CUDAToolkit QUIET)
      if(NOT TARGET CUDA::cublasLt)
        message(FATAL_ERROR "llava_instantiate: BACKEND llava::cuda_cublaslt needs cuBLASLt, which this CUDA toolkit "
          "lacks. Install it, set -DCUDAToolkit_ROOT=/path/to/a/toolkit that has it, or choose llava::cuda.")
      endif()
      target_link_libraries(${arg_TARGET} PRIVATE CUDA::cublasLt)
    endif()
  else()
    target_sources(${arg_TARGET} PRIVATE ${source})
  endif()
  target_link_libraries(${arg_TARGET} PUBLIC llava::llava)
  target_include_directories(${arg_TARGET} PUBLIC ${folder})
endfunction()

function(llava_add_model name)
  add_library(${name} STATIC)
  llava_instantiate(TARGET ${name} NAME ${name} ${ARGN})
endfunction()
