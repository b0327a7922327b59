# SPDX-License-Identifier: Apache-2.0
"""What bench/gpu.sh needs of packages: the headers of RapidJSON and Catch2 2. pack() copies them to one folder, for a
machine without a package manager; includes() finds them there or on this machine."""
import os
import pathlib
import shutil
import sys

NEEDED = {"rapidjson": "rapidjson/reader.h", "catch2": "catch2/catch.hpp"}
MOST_BYTES = 60 << 20
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")


def folders():
    """Where compilers look for the headers of packages."""
    cpath = [f for f in os.environ.get("CPATH", "").split(":") if f]
    return [pathlib.Path(f) for f in (*cpath, "/usr/include", "/usr/local/include")]


def place_of(name):
    return next((f / name for f in folders() if (f / NEEDED[name]).exists()), None)


def pack(folder):
    """Writes FOLDER/include with the headers of the packages, and says how large it is."""
    missing = [name for name in NEEDED if not place_of(name)]
    if missing:
        sys.exit(f"bench/gpu.sh: the headers of {' and '.join(missing)} are not installed here (Debian: rapidjson-dev, "
                 "catch2 of version 2)")
    include = folder / "include"
    if folder.exists() and any(folder.iterdir()) and not include.is_dir():
        sys.exit(f"bench/gpu.sh: {folder} has other files; name a new folder")
    for name in NEEDED:
        shutil.rmtree(include / name, ignore_errors=True)
        shutil.copytree(place_of(name), include / name, ignore=shutil.ignore_patterns("*.png", "*.jpg", "*.gif"))
    files = [f for f in folder.rglob("*") if f.is_file()]
    size = sum(f.stat().st_size for f in files)
    pictures = [f for f in files if f.suffix.lower() in PICTURES]
    if size > MOST_BYTES or pictures:
        sys.exit(f"bench/gpu.sh: {folder} has {size >> 20} MiB and {len(pictures)} pictures, expected at most 60 and 0")
    print(f"{folder}: {len(files)} files, {size / (1 << 20):.1f} MiB")


def includes(folder):
    """The folders for -isystem, and the names of packages that are missing. `folder` may be None."""
    if folder:
        missing = [name for name, header in NEEDED.items() if not (folder / "include" / header).exists()]
        return [folder / "include"], missing
    found = {name: place_of(name) for name in NEEDED}
    own = {p.parent for p in found.values() if p} - {pathlib.Path("/usr/include"), pathlib.Path("/usr/local/include")}
    return sorted(own), [name for name, p in found.items() if not p]
