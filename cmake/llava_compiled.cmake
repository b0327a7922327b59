# SPDX-License-Identifier: Apache-2.0
# llava::compiled: what of llava::llava does not depend on a program's own types, compiled once, in the program's own
# build and with its flags: checkpoints, tokenizers, prompts, sessions, and the kernels of the built-in formats and
# activations. It is built where something links it. All that is linked together must link it, or none: mixing is an
# error of the linker.
if(NOT TARGET llava_compiled)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/compiled/*.cpp)
  add_library(llava_compiled STATIC EXCLUDE_FROM_ALL ${sources})
  add_library(llava::compiled ALIAS llava_compiled)
  target_link_libraries(llava_compiled PUBLIC llava::llava)
  target_compile_definitions(llava_compiled PUBLIC LLAVA_COMPILED)
  set_target_properties(llava_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()
