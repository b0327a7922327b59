# SPDX-License-Identifier: Apache-2.0
# Packages the checkout that holds this port: vcpkg install llava --overlay-ports=cmake/vcpkg
# vcpkg detects changes of the port, not of the checkout. After a change of the checkout, `vcpkg remove llava` and
# `vcpkg install llava --editable --overlay-ports=cmake/vcpkg` build the package anew.
set(VCPKG_BUILD_TYPE release) # headers only

get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)
vcpkg_cmake_configure(
    SOURCE_PATH "${SOURCE_PATH}"
    OPTIONS
        -DLLAVA_BUILD_TESTS=OFF
        -DLLAVA_BUILD_EXAMPLES=OFF
        -DLLAVA_BUILD_BENCH=OFF
)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH share/cmake/llava)
vcpkg_fixup_pkgconfig()

file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
