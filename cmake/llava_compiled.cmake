# SPDX-License-Identifier: Apache-2.0
# llava::compiled: the code of llava::llava that does not depend on a program's own types, compiled once, in the
# program's own build and with its flags: checkpoints, tokenizers, prompts, sessions, and the kernels of the built-in
# formats and activations. It is built only if something links it. Either all code of a program links it, or none:
# mixing is a linker error.
if(NOT TARGET llava_compiled)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/compiled/*.cpp)
  add_library(llava_compiled STATIC EXCLUDE_FROM_ALL ${sources})
  add_library(llava::compiled ALIAS llava_compiled)
  target_link_libraries(llava_compiled PUBLIC llava::llava)
  target_compile_definitions(llava_compiled PUBLIC LLAVA_COMPILED)
  set_target_properties(llava_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()
