# SPDX-License-Identifier: Apache-2.0
# llava::compiled: the code of llava::llava that does not depend on a program's own types, compiled once, in the
# program's own build and with its flags: checkpoints, tokenizers, prompts, sessions, and the kernels of the built-in
# formats and activations. It is built only if something links it. Either all code of a program links it, or none:
# mixing is a linker error. llava::compiled_serve, if there is llava::serve, is the same for <llava/serve/…>, on top of
# llava::compiled.
if(NOT TARGET llava_compiled)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/compiled/*.cpp)
  add_library(llava_compiled STATIC EXCLUDE_FROM_ALL ${sources})
  add_library(llava::compiled ALIAS llava_compiled)
  target_link_libraries(llava_compiled PUBLIC llava::llava)
  target_compile_definitions(llava_compiled PUBLIC LLAVA_COMPILED)
  set_target_properties(llava_compiled PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()
if(TARGET llava::serve AND NOT TARGET llava_compiled_serve)
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_LIST_DIR}/compiled/serve/*.cpp)
  add_library(llava_compiled_serve STATIC EXCLUDE_FROM_ALL ${sources})
  add_library(llava::compiled_serve ALIAS llava_compiled_serve)
  target_link_libraries(llava_compiled_serve PUBLIC llava::compiled llava::serve)
  set_target_properties(llava_compiled_serve PROPERTIES POSITION_INDEPENDENT_CODE ON)
endif()
