# SPDX-License-Identifier: Apache-2.0
"""The Conan 2 package of llava: the headers and the files for find_package(llava).

    conan create cmake/conan

packages this checkout. A program requires llava/0.1.0, uses the generator CMakeToolchain and finds the targets of
README.md. The libraries that the headers need come from the system. With -o "llava/*:system_dependencies=False"
they come from Conan Center; the program then uses the generator CMakeDeps as well.
"""
import os
import re

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout
from conan.tools.files import copy, load, rmdir
from conan.tools.scm import Version
from conan.tools.system.package_manager import Apt

required_conan_version = ">=2.0"
OLDEST_COMPILER = {"gcc": "12", "clang": "19"}
# Option: (packages of Conan Center, packages of Debian).
LIBRARIES = {
    "image_files": (["libjpeg-turbo/[>=3.0.2 <4]", "libpng/[>=1.6 <2]"], ["libjpeg-dev", "libpng-dev"]),
    "animation_files": (["giflib/[>=5.2 <6]", "libwebp/[>=1.2 <2]"], ["libgif-dev", "libwebp-dev"]),
    "tiff_files": (["libtiff/[>=4.5 <5]"], ["libtiff-dev"]),
    "video_files": (["ffmpeg/[>=5.1 <7]"],
                    ["libavformat-dev", "libavcodec-dev", "libavutil-dev", "libswscale-dev"]),
    "eigen": (["eigen/[>=3.4 <4]"], ["libeigen3-dev"]),
    "serve": (["boost/[>=1.81 <2]", "openssl/[>=3 <4]"], ["libboost1.81-dev", "libssl-dev"]),
}


class Llava(ConanFile):
    name = "llava"
    description = "LLaVA as C++20 headers"
    license = "Apache-2.0"
    topics = ("llava", "vision-language", "inference", "header-only")
    package_type = "header-library"
    settings = "os", "arch", "compiler", "build_type"
    options = {
        "image_files": [True, False],          # libjpeg-turbo and libpng, for llava::image_files
        "animation_files": [True, False],      # giflib and libwebp, for llava::animation_files, gif_files, webp_files
        "tiff_files": [True, False],           # libtiff, for llava::tiff_files
        "video_files": [True, False],          # FFmpeg, for llava::video_files
        "eigen": [True, False],                # Eigen, for llava::eigen
        "serve": [True, False],                # Boost's headers and OpenSSL, for llava::serve and llava::serve_tls
        "system_dependencies": [True, False],  # False: from Conan Center
    }
    default_options = {"image_files": True, "animation_files": False, "tiff_files": False, "video_files": False,
                       "eigen": False, "serve": False, "system_dependencies": True, "boost/*:header_only": True}
    no_copy_source = True

    @property
    def _project(self):
        return os.path.join(self.recipe_folder, os.pardir, os.pardir)

    def set_version(self):
        text = load(self, os.path.join(self._project, "CMakeLists.txt"))
        self.version = self.version or re.search(r"project\(llava VERSION ([\d.]+)", text)[1]

    def export_sources(self):
        for pattern in ("CMakeLists.txt", "LICENSE", "include/*", "cmake/*"):
            copy(self, pattern, self._project, self.export_sources_folder, excludes=("cmake/conan/*", "cmake/vcpkg/*"))

    def layout(self):
        cmake_layout(self)

    def requirements(self):
        if self.options.system_dependencies:
            return
        self.requires("rapidjson/cci.20230929")
        for option, (packages, _) in LIBRARIES.items():
            if self.options.get_safe(option):
                for package in packages:
                    self.requires(package)

    def system_requirements(self):
        # Elsewhere than on Debian and Ubuntu, find_package(llava) says what is missing.
        if self.options.system_dependencies:
            needed = [packages for option, (_, packages) in LIBRARIES.items() if self.options.get_safe(option)]
            Apt(self).install(["rapidjson-dev", *sum(needed, [])], check=True)

    def package_id(self):
        self.info.clear()

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("llava needs Linux")
        if self.settings.arch not in ("x86_64", "armv8"):
            raise ConanInvalidConfiguration("llava needs x86-64 or 64-bit ARM")
        compiler = str(self.settings.compiler)
        oldest = OLDEST_COMPILER.get(compiler)
        if oldest and Version(self.settings.compiler.version) < oldest:
            raise ConanInvalidConfiguration(f"llava needs {compiler} {oldest} or later")

    def generate(self):
        toolchain = CMakeToolchain(self)
        for part in ("TESTS", "EXAMPLES", "BENCH"):
            toolchain.cache_variables[f"LLAVA_BUILD_{part}"] = False
        toolchain.generate()

    def build(self):
        CMake(self).configure()  # nothing is compiled

    def package(self):
        copy(self, "LICENSE", self.source_folder, os.path.join(self.package_folder, "licenses"))
        CMake(self).install()
        # It may name the folder of RapidJSON's headers. Conan's generator PkgConfigDeps writes one.
        rmdir(self, os.path.join(self.package_folder, "share", "pkgconfig"))

    def package_info(self):
        self.cpp_info.set_property("cmake_find_mode", "none")  # the project's own llavaConfig.cmake is found
        self.cpp_info.builddirs = [os.path.join("share", "cmake", "llava")]
        self.cpp_info.bindirs = []
        self.cpp_info.libdirs = []
        self.cpp_info.system_libs = ["pthread"]
