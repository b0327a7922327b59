# SPDX-License-Identifier: Apache-2.0
# Runs the portfile of cmake/vcpkg/llava with stand-ins for the functions of vcpkg that it calls. Each does the step of
# its namesake for one release build, with the system's libraries. An argument that it does not know is an error.
#   cmake -DPACKAGE=… -DBUILD=… -DGENERATOR=… -DCXX=… -P vcpkg_functions.cmake
set(PORT llava)
set(CURRENT_PACKAGES_DIR ${PACKAGE})

macro(take_arguments values lists)
  cmake_parse_arguments(PARSE_ARGV 0 arg "" "${values}" "${lists}")
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "${CMAKE_CURRENT_FUNCTION}: unknown arguments: ${arg_UNPARSED_ARGUMENTS}")
  endif()
endmacro()

function(vcpkg_cmake_configure)
  take_arguments("SOURCE_PATH" "OPTIONS")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -S ${arg_SOURCE_PATH} -B ${BUILD} -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX}
            -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=${CURRENT_PACKAGES_DIR}
            -DCMAKE_ERROR_ON_ABSOLUTE_INSTALL_DESTINATION=ON ${arg_OPTIONS}
    COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_cmake_install)
  take_arguments("" "")
  execute_process(COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target install COMMAND_ERROR_IS_FATAL ANY)
endfunction()

# Moves CONFIG_PATH to share/PORT, and what it says of its own place with it.
function(vcpkg_cmake_config_fixup)
  take_arguments("CONFIG_PATH" "")
  set(share ${CURRENT_PACKAGES_DIR}/share/${PORT})
  file(RENAME ${CURRENT_PACKAGES_DIR}/${arg_CONFIG_PATH} ${share})
  file(REMOVE_RECURSE ${CURRENT_PACKAGES_DIR}/share/cmake)
  file(GLOB files ${share}/*.cmake)
  foreach(file IN LISTS files)
    file(READ ${file} text)
    set(parent [[get_filename_component(_IMPORT_PREFIX "${_IMPORT_PREFIX}" PATH)]])
    string(REPLACE "${parent}\n${parent}\n${parent}\n" "${parent}\n${parent}\n" text "${text}")
    string(REPLACE "\${CMAKE_CURRENT_LIST_DIR}/../../../" "\${CMAKE_CURRENT_LIST_DIR}/../../" text "${text}")
    file(WRITE ${file} "${text}")
  endforeach()
endfunction()

# Checks what vcpkg asks pkg-config about.
function(vcpkg_fixup_pkgconfig)
  take_arguments("" "")
  find_program(PKG_CONFIG pkg-config REQUIRED)
  set(ENV{PKG_CONFIG_PATH} ${CURRENT_PACKAGES_DIR}/share/pkgconfig)
  execute_process(COMMAND ${PKG_CONFIG} --print-errors --exists ${PORT} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

function(vcpkg_install_copyright)
  take_arguments("" "FILE_LIST")
  file(INSTALL ${arg_FILE_LIST} DESTINATION ${CURRENT_PACKAGES_DIR}/share/${PORT} RENAME copyright)
endfunction()

include(${CMAKE_CURRENT_LIST_DIR}/../../cmake/vcpkg/llava/portfile.cmake)
