#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Asks the bundled model about a picture. On a fresh Debian 12 it installs and builds what it needs first.
#
#   examples/run.sh [IMAGE [QUESTION]]
#
# The last line it prints is the answer.
set -euo pipefail
picture=$(realpath -- "${1:-$(dirname -- "$0")/tiny/pictures/three-shapes.png}")
question=${2:-How many shapes are there?}
cd "$(dirname -- "$0")/.."
. cmake/setup.sh

need_to_build
install_missing
configure release
build release llava_command

echo "$(realpath --relative-base=. -- "$picture"): $question"
build/release/llava ask --model-path examples/tiny --image-file "$picture" --query "$question" --temperature 0
