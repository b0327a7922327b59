# SPDX-License-Identifier: Apache-2.0
# Runs the compiler through ccache if it is installed. ccache requires this sloppiness to cache translation units that
# use a precompiled header.
if(NOT DEFINED CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(LLAVA_CCACHE ccache)
  if(LLAVA_CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER
        ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
        ${LLAVA_CCACHE})
  endif()
endif()
