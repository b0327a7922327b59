# SPDX-License-Identifier: Apache-2.0
# What makes builds of a top-level project faster, and changes no code that they make.
#
# Runs the compiler of a top-level project through ccache if it is installed. ccache requires this sloppiness to cache
# translation units that use a precompiled header.
if(PROJECT_IS_TOP_LEVEL AND NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LLAVA_CCACHE ccache)
  if(LLAVA_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${LLAVA_CCACHE})
  endif()
endif()

# g++ collects garbage whenever its heap has doubled. If it begins at 512 MiB, a build takes a twentieth less time, and
# most compilations a sixth more memory.
if(PROJECT_IS_TOP_LEVEL AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  cmake_host_system_information(RESULT memory QUERY TOTAL_PHYSICAL_MEMORY)  # MiB
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  math(EXPR memory_of_a_job "${memory} / ${cores}")
  if(memory_of_a_job GREATER_EQUAL 3072)
    add_compile_options($<$<COMPILE_LANGUAGE:CXX>:--param=ggc-min-heapsize=524288>)
  endif()
endif()

# llava_precompile(TARGET HEADER...) precompiles the headers for all sources of a target, in a way that ccache can
# cache.
function(llava_precompile target)
  target_precompile_headers(${target} PRIVATE ${ARGN})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(${target} PRIVATE -fpch-preprocess)
  elseif(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")
  endif()
endfunction()
