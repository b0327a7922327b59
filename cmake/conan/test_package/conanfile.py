# SPDX-License-Identifier: Apache-2.0
"""Builds and runs a program against the package: `conan create` does so with every package that it makes."""
import os

from conan import ConanFile
from conan.tools.build import can_run
from conan.tools.cmake import CMake, CMakeToolchain, cmake_layout


class LlavaTest(ConanFile):
    settings = "os", "arch", "compiler", "build_type"
    generators = "CMakeDeps"

    def requirements(self):
        self.requires(self.tested_reference_str)

    def layout(self):
        cmake_layout(self)

    def generate(self):
        toolchain = CMakeToolchain(self)
        toolchain.user_presets_path = False
        options = self.dependencies["llava"].options
        parts = [part for part in ("image_files", "animation_files", "tiff_files", "video_files", "eigen")
                 if options.get_safe(part)]
        parts += ["serve", "serve_tls"] if options.get_safe("serve") else []
        toolchain.cache_variables["PARTS"] = ";".join(parts)
        toolchain.generate()

    def build(self):
        cmake = CMake(self)
        cmake.configure()
        cmake.build()

    def test(self):
        if can_run(self):
            self.run(os.path.join(self.cpp.build.bindir, "test_package"), env="conanrun")
