# SPDX-License-Identifier: Apache-2.0
"""Tests the vcpkg port: vcpkg.json has the form of `vcpkg format-manifest`. portfile.cmake installs a package, and a
program finds it with find_package, builds against it and runs. vcpkg is not needed: vcpkg_functions.cmake has stand-ins
for its functions.

    vcpkg_port.py [--cmake cmake] [--generator Ninja] [--compiler g++]
"""
import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PORT = ROOT / "cmake/vcpkg/llava"
# The fields of each kind of object, in vcpkg's order.
MANIFEST = ["name", "version", "port-version", "maintainers", "summary", "description", "homepage", "documentation",
            "license", "supports", "dependencies", "default-features", "features"]
FEATURE = ["description", "supports", "license", "dependencies"]
DEPENDENCY = ["name", "host", "default-features", "features", "platform", "version>="]
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def in_order(value, fields):
    if unknown := set(value) - set(fields):
        sys.exit(f"vcpkg.json: unknown fields: {', '.join(sorted(unknown))}")
    ordered = {field: value[field] for field in fields if field in value}
    if "dependencies" in ordered:
        named = [{"name": d} if isinstance(d, str) else in_order(d, DEPENDENCY) for d in ordered["dependencies"]]
        named.sort(key=lambda d: d["name"])
        ordered["dependencies"] = [d["name"] if len(d) == 1 else d for d in named]
    return ordered


def check_manifest():
    text = (PORT / "vcpkg.json").read_text()
    manifest = in_order(json.loads(text), MANIFEST)
    features = {name: in_order(feature, FEATURE) for name, feature in sorted(manifest["features"].items())}
    manifest["features"] = features
    if text != json.dumps(manifest, indent=2, ensure_ascii=False) + "\n":
        sys.exit(f"vcpkg.json must be as follows:\n{json.dumps(manifest, indent=2, ensure_ascii=False)}")

    version = re.search(r"project\(llava VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text())[1]
    names = [PORT.name, *features]
    for part in (manifest, *features.values()):
        names += [d if isinstance(d, str) else d["name"] for d in part["dependencies"]]
    for wrong, sentence in [(manifest["name"] != PORT.name, f"the name is not {PORT.name}"),
                            (manifest["version"] != version, f"the version is not {version}"),
                            (set(manifest["default-features"]) - set(features), "a default feature does not exist"),
                            (not all(map(NAME.fullmatch, names)), f"one of these is not a valid name: {names}")]:
        if wrong:
            sys.exit(f"vcpkg.json: {sentence}")


def run(*command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        sys.exit(f"vcpkg_port: command failed: {' '.join(map(str, command))}\n{done.stdout}")


def check_package(args, work):
    package, installed = work / "packages/llava", work / "installed"
    run(args.cmake, f"-DPACKAGE={package}", f"-DBUILD={work / 'buildtrees'}", f"-DGENERATOR={args.generator}",
        f"-DCXX={args.compiler}", "-P", HERE / "vcpkg_functions.cmake")
    # The checks that vcpkg makes after a build.
    files = {file.relative_to(package).as_posix(): file for file in package.rglob("*") if file.is_file()}
    for needed in ("include/llava.hpp", "share/llava/llavaConfig.cmake", "share/llava/copyright", "share/llava/usage"):
        if needed not in files:
            sys.exit(f"portfile.cmake: {needed} is not installed")
    for name, file in files.items():
        if not name.startswith(("include/", "share/llava/", "share/pkgconfig/")):
            sys.exit(f"portfile.cmake: {name} does not belong in a package of headers")
        if str(work) in file.read_text():
            sys.exit(f"portfile.cmake: {name} contains the path of a build folder")

    package.rename(installed)  # as vcpkg does
    # vcpkg's ffmpeg brings a module for find_package.
    ffmpeg = work / "ffmpeg-stand-in"
    ffmpeg.mkdir()
    (ffmpeg / "FindFFMPEG.cmake").write_text(f"set(FFMPEG_FOUND TRUE)\nset(FFMPEG_INCLUDE_DIRS {ffmpeg})\n")
    run(args.cmake, "-S", HERE / "consumer", "-B", work / "consumer", "-G", args.generator,
        f"-DCMAKE_CXX_COMPILER={args.compiler}", f"-DCMAKE_PREFIX_PATH={installed}", "-DLLAVA_BY=find_package",
        f"-DCMAKE_MODULE_PATH={ffmpeg}")
    if str(ffmpeg) not in (work / "consumer/build.ninja").read_text():
        sys.exit("llavaDependencies.cmake: llava::video_files does not use vcpkg's module FFMPEG")
    run(args.cmake, "--build", work / "consumer")
    run(work / "consumer/consumer")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cmake", default="cmake")
    parser.add_argument("--generator", default="Ninja")
    parser.add_argument("--compiler", default="g++")
    args = parser.parse_args()
    check_manifest()
    with tempfile.TemporaryDirectory() as work:
        check_package(args, pathlib.Path(work))
    print("vcpkg_port: the manifest is correct, and a program built against the package ran")


if __name__ == "__main__":
    main()
