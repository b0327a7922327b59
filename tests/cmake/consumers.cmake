# SPDX-License-Identifier: Apache-2.0
# Builds and runs the program in CONSUMER_DIR with every way to use the library: add_subdirectory, FetchContent,
# find_package, pkg-config and the compiler alone; one of them with llava::compiled. A pipeline takes 15 s to compile.
# The last two ways have no llava_instantiate(): they link the pipeline of the build before them and parse the rest of
# the library.
#   cmake -DSOURCE_DIR=… -DWORK_DIR=… -DCONSUMER_DIR=… -DCXX=… -DGENERATOR=… -DRAPIDJSON=… -P consumers.cmake
foreach(variable CXXFLAGS CPPFLAGS LDFLAGS DESTDIR CMAKE_BUILD_TYPE CMAKE_PREFIX_PATH CMAKE_INSTALL_PREFIX llava_DIR
  llava_ROOT)
  unset(ENV{${variable}})  # settings for the caller's other builds do not apply here
endforeach()

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE code OUTPUT_VARIABLE out ERROR_VARIABLE out)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "consumers: this failed: ${ARGN}\n${out}")
  endif()
endfunction()

find_program(CCACHE ccache)
set(launcher)
if(CCACHE)
  set(launcher -DCMAKE_CXX_COMPILER_LAUNCHER=${CCACHE})
endif()
set(common -G ${GENERATOR} -DCMAKE_CXX_COMPILER=${CXX} -DLLAVA_RAPIDJSON_INCLUDE_DIR=${RAPIDJSON} ${launcher})
set(build ${WORK_DIR}/build)  # one folder for all, so that ccache recognises the commands

# Builds the consumer with CMake. Its objects remain in `build`.
function(consume by)
  file(REMOVE_RECURSE ${build})
  run(${CMAKE_COMMAND} -S ${CONSUMER_DIR} -B ${build} ${common} -DLLAVA_BY=${by} -DLLAVA_SOURCE_DIR=${SOURCE_DIR}
    ${ARGN})
  run(${CMAKE_COMMAND} --build ${build})
  run(${build}/consumer)
  message(STATUS "consumers: ${by} ${ARGN}")
endfunction()

# Builds the consumer with a compiler and flags. Links the pipeline in `build`.
function(compile by)
  file(GLOB_RECURSE pipeline ${build}/*any_scalar_f32.cpp.o)
  file(GLOB generated ${build}/llava_instantiate/consumer)
  set(umbrella ${WORK_DIR}/umbrella.cpp)
  file(WRITE ${umbrella} "#include <llava.hpp>\n")
  run(${CXX} -std=c++20 ${ARGN} -fsyntax-only ${umbrella})
  run(${CXX} -std=c++20 ${CONSUMER_DIR}/main.cpp ${pipeline} -I${generated} ${ARGN} -o ${WORK_DIR}/consumer)
  run(${WORK_DIR}/consumer)
  message(STATUS "consumers: ${by}")
endfunction()

file(REMOVE_RECURSE ${WORK_DIR})
file(MAKE_DIRECTORY ${WORK_DIR})
consume(add_subdirectory)
consume(FetchContent)
compile("the compiler alone" -I${SOURCE_DIR}/include -I${RAPIDJSON})

set(prefix "${WORK_DIR}/a prefix with spaces")
run(${CMAKE_COMMAND} -S ${SOURCE_DIR} -B ${WORK_DIR}/library ${common} "-DCMAKE_INSTALL_INCLUDEDIR=headers of others"
    -DLLAVA_BUILD_TESTS=OFF -DLLAVA_BUILD_EXAMPLES=OFF -DLLAVA_BUILD_BENCH=OFF)
run(${CMAKE_COMMAND} --install ${WORK_DIR}/library --prefix ${prefix})
consume(find_package -DCMAKE_PREFIX_PATH=${prefix} -DLLAVA_LINK=llava::compiled)
consume(find_package -DCMAKE_PREFIX_PATH=${prefix})

find_program(PKG_CONFIG pkg-config)
if(NOT PKG_CONFIG)
  message(STATUS "consumers: pkg-config is not installed and is skipped")
  return()
endif()
set(ENV{PKG_CONFIG_PATH} ${prefix}/share/pkgconfig)
execute_process(COMMAND ${PKG_CONFIG} --cflags --libs llava OUTPUT_VARIABLE flags COMMAND_ERROR_IS_FATAL ANY)
separate_arguments(flags UNIX_COMMAND "${flags}")
compile("pkg-config" ${flags})
