# SPDX-License-Identifier: Apache-2.0
"""Tests that the Conan recipe makes a package and that its test_package builds and runs, with the system's libraries
and with stand-ins for the packages of Conan Center.

    conan.py

If Conan 2 is not installed, pip installs it into a temporary folder. If pip cannot, the test is skipped (exit code 77).
Conan's home folder is temporary too, and no remote is used.
"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SKIPPED = 77
# A stand-in's headers include the system's. The folder's name in the compile command shows that it was used. Its parts
# have the CMake targets and libraries of a package of Conan Center; the part "" is the package itself. The comment is
# what llavaDependencies.cmake reads of Boost's version.
STAND_IN = """from conan import ConanFile
from conan.tools.files import save

class StandIn(ConanFile):
    name, version = "{name}", "{version}"

    def package(self):
        for header in {headers}:
            save(self, self.package_folder + "/stand-in-{name}/" + header, "#include_next <{folder}" + header + ">\\n"
                 "// #define BOOST_VERSION 108100\\n")

    def package_info(self):
        self.cpp_info.set_property("cmake_file_name", "{file_name}")
        self.cpp_info.set_property("cmake_find_mode", "both")
        for part, (target, library) in {parts}.items():
            info = self.cpp_info.components[part] if part else self.cpp_info
            info.includedirs, info.system_libs = ["stand-in-{name}"], [library] if library else []
            info.set_property("cmake_target_name", target)
"""
FFMPEG = ("avformat", "avcodec", "swscale", "avutil")
STAND_INS = [  # package, version, headers, name of find_package, parts
    ("rapidjson", "cci.20230929", ["rapidjson/reader.h"], "RapidJSON", {"": ("rapidjson", "")}),
    ("libjpeg-turbo", "3.0.2", ["jpeglib.h"], "JPEG", {"": ("JPEG::JPEG", "jpeg")}),
    ("libpng", "1.6.58", ["png.h"], "PNG", {"": ("PNG::PNG", "png")}),
    ("giflib", "5.2.2", ["gif_lib.h"], "GIF", {"": ("GIF::GIF", "gif")}),
    ("libwebp", "1.4.0", ["webp/demux.h", "webp/decode.h"], "WebP",
     {part: (f"WebP::{part}", part) for part in ("webp", "webpdemux")}),
    ("libtiff", "4.6.0", ["tiffio.h", "tiff.h"], "TIFF", {"": ("TIFF::TIFF", "tiff")}),
    ("ffmpeg", "6.1.1", [f"lib{part}/{part}.h" for part in FFMPEG], "ffmpeg",
     {part: (f"ffmpeg::{part}", part) for part in FFMPEG}),
    ("eigen", "3.4.0", ["Eigen/Core"], "Eigen3", {"": ("Eigen3::Eigen", "")}),
    ("boost", "1.81.0", ["boost/beast/http/parser.hpp", "boost/version.hpp"], "Boost", {"": ("Boost::headers", "")}),
    ("openssl", "3.2.0", ["openssl/ssl.h"], "OpenSSL",
     {part: (f"OpenSSL::{target}", part) for part, target in (("ssl", "SSL"), ("crypto", "Crypto"))}),
]


def find_conan(work):
    found = shutil.which("conan")
    if found and "version 2" in subprocess.run([found, "--version"], capture_output=True, text=True).stdout:
        return found
    pip = [work / "venv/bin/python", "-m", "pip", "install", "-q", "--retries", "1", "conan>=2,<3"]
    for command in ([sys.executable, "-m", "venv", work / "venv"], pip):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode:
            print(f"conan: skipped: Conan 2 is not installed, and pip cannot install it: {done.stdout.strip()[-300:]}")
            sys.exit(SKIPPED)
    return work / "venv/bin/conan"


class Conan:
    def __init__(self, work):
        self.program, self.work = find_conan(work), work
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("CONAN_")}
        self.env["CONAN_HOME"] = str(work / "home")

    def __call__(self, *args):
        """Runs Conan and returns its standard output."""
        done = subprocess.run([self.program, *args], env=self.env, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"conan: command failed: conan {' '.join(map(str, args))}\n{done.stdout}{done.stderr}")
        return done.stdout

    def create(self, name, *options):
        """Makes and tests the package. Returns the build.ninja of the test."""
        folder = self.work / name
        self("create", ROOT / "cmake/conan", "-nr", "-s", "build_type=Debug", *options,
             "-c", "tools.cmake.cmaketoolchain:generator=Ninja", "-c", f"tools.cmake.cmake_layout:test_folder={folder}")
        return next(folder.rglob("build.ninja")).read_text()


def check(conan):
    conan("profile", "detect")
    built_with_system = conan.create("system")
    for name, version, headers, file_name, parts in STAND_INS:
        folder = conan.work / name
        folder.mkdir()
        text = STAND_IN.format(name=name, version=version, headers=headers, file_name=file_name, parts=parts,
                               folder="eigen3/" if name == "eigen" else "")
        (folder / "conanfile.py").write_text(text)
        conan("create", folder, "-nr")
    every = [f"-o=llava/*:{part}=True" for part in ("image_files", "animation_files", "tiff_files", "video_files",
                                                     "eigen", "serve")]
    built_with_stand_ins = conan.create("stand_ins", "-o=llava/*:system_dependencies=False", *every)

    for name, *_ in STAND_INS:
        if f"stand-in-{name}" in built_with_system or f"stand-in-{name}" not in built_with_stand_ins:
            sys.exit(f"conan: system_dependencies does not choose the source of {name}")
    (recipe,) = json.loads(conan("list", "llava/*:*", "--format=json"))["Local Cache"].values()
    (revision,) = recipe["revisions"].values()
    if len(revision["packages"]) != 1:
        sys.exit(f"conan: found the packages {list(revision['packages'])}, expected one: the library is header-only")


def main():
    with tempfile.TemporaryDirectory() as folder:
        check(Conan(pathlib.Path(folder)))
    print("conan: the package was made, and a program built against it ran, with both kinds of dependencies")


if __name__ == "__main__":
    main()
