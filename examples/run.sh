#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Asks the bundled model about an image. On a fresh Debian 12 it installs and builds what it needs first.
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
build release llava_command

echo "$(realpath --relative-base=. -- "$image"): $question"
build/release/llava ask --model-path examples/tiny --image-file "$image" --query "$question" --temperature 0
