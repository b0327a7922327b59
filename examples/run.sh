#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Compiles examples/01_ask.cpp, the program that README.md shows, and asks the bundled model about an image with it.
# On a fresh Debian 12 it installs what it needs first.
#
#   examples/run.sh [IMAGE [QUESTION]]
#
# The last line it prints is the answer.
set -euo pipefail
image=$(realpath -- "${1:-$(dirname -- "$0")/tiny/images/three-shapes.png}")
question=${2:-How many shapes are there?}
cd "$(dirname -- "$0")/.."
. cmake/setup.sh

need_to_build
install_missing
configure release
build release example_01_ask

echo "$(realpath --relative-base=. -- "$image"): $question"
build/release/examples/01_ask examples/tiny "$image" "$question"
