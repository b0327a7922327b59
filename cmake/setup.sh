# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Functions of tests/run.sh, examples/run.sh and bench/*.sh, which source this file in the project's top folder:
#   need PACKAGE WHAT...   records a Debian package as missing if one of WHAT is missing
#   install_missing        installs the missing packages, or prints how to do it and exits
#   step WORDS COMMAND...  runs a command; shows its output on a terminal, or if it fails or is skipped (code 77)
# If nothing is missing, only a few files are looked up.

missing=()
installed=false  # whether this run has installed packages; build folders are then configured again

# WHAT is a command (`cmake`), a header (`png.h`) or a file (`/usr/…`).
need() {
  local package=$1 what folder
  shift
  for what; do
    case $what in
      /*) [ -e "$what" ] && continue ;;
      *.h | *.hpp)
        for folder in /usr/include /usr/local/include "/usr/include/$(uname -m)-linux-gnu" ${CPATH:+${CPATH//:/ }}; do
          [ -e "$folder/$what" ] && continue 2
        done
        ;;
      *) command -v "$what" >/dev/null 2>&1 && continue ;;
    esac
    missing+=("$package")
    return
  done
}

# All scripts configure the same preset, so they need the same packages: a compiler, CMake, Ninja, the libraries for
# JSON, image files and the command line, the test framework, and Python.
need_to_build() {
  need g++ "${CXX:-g++}"
  need cmake cmake
  need ninja-build ninja
  need rapidjson-dev rapidjson/reader.h
  need libjpeg-dev jpeglib.h
  need libpng-dev png.h
  need libcli11-dev CLI/CLI.hpp
  need catch2 catch2/catch.hpp
  need python3 python3
}

install_missing() {
  [ ${#missing[@]} -eq 0 ] && return
  local line=(apt-get install -y --no-install-recommends "${missing[@]}") as_root=()
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "Missing packages (Debian names): ${missing[*]}. Install them and run this again." >&2
    exit 1
  fi
  if [ "$(id -u)" -ne 0 ]; then
    if command -v sudo >/dev/null 2>&1 && { sudo -n true 2>/dev/null || [ -t 0 ]; }; then
      as_root=(sudo)
    else
      printf 'Packages are missing, and this user cannot install them. As root:\n  apt-get update && %s\n' \
        "${line[*]}" >&2
      exit 1
    fi
  fi
  step "updating the package lists" "${as_root[@]}" apt-get update -q
  step "installing ${missing[*]}" "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive "${line[@]}"
  missing=()
  installed=true
}

step() {
  local words=$1 start=$SECONDS log code=0
  shift
  if [ -t 1 ]; then
    echo "==> $words"
    "$@" </dev/null || code=$?
  else
    printf '==> %s ... ' "$words"
    log=$(mktemp)
    "$@" </dev/null >"$log" 2>&1 || code=$?
    case $code in
      0) echo "$((SECONDS - start)) s" ;;
      77) echo "skipped" && cat "$log" ;;
      *) echo "failed" && cat "$log" ;;
    esac
    rm -f "$log"
  fi
  case $code in 0 | 77) ;; *) echo "Command failed with exit code $code: $*" >&2 ;; esac
  return "$code"
}

# configure PRESET; build PRESET [TARGET]. CXX chooses the compiler, as long as build/PRESET does not exist.
configure() {
  if ! $installed && [ -e "build/$1/build.ninja" ] && [ -e "build/$1/CMakeCache.txt" ]; then return; fi
  step "configuring build/$1" cmake --preset "$1"
}
build() {
  step "building ${2:-everything} in build/$1" cmake --build --preset "$1" ${2:+--target "$2"}
}
