#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes a virtual environment with one of the real peers: setup.sh openai|selenium|llava_torch FOLDER
#
#   openai       the client, as `pip install openai` gives it                            70 MB
#   selenium     what drives chromium                                                    70 MB
#   llava_torch  LLaVA's own package 1.2.2.post1 with torch for CPUs, for Python 3.11    1.1 GB
#
# torch is Debian's python3-torch, unpacked into FOLDER, because PyPI's brings several GB of CUDA along. Nothing is
# installed outside FOLDER. A complete FOLDER is left as it is. FOLDER/python starts the environment's Python.
set -euo pipefail
here=$(cd "$(dirname -- "$0")" && pwd)
peer=$1
folder=$(realpath -m -- "$2")
[ -e "$folder/complete" ] && exit 0
mkdir -p "$folder"
cd "$folder"
case $peer in
  openai | selenium)
    python3 -m venv venv
    venv/bin/pip install -q "$peer"
    ;;
  llava_torch)
    python3 -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || {
      echo "llava-torch needs Python 3.11, for which Debian 12 has torch" >&2
      exit 1
    }
    python3 -m venv venv
    site=$(venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
    packages=/usr/lib/python3/dist-packages
    if ! [ -d $packages/torch ]; then
      mkdir -p packages debian
      names=$(apt-get install -s --no-install-recommends python3-torch | awk '/^Inst/ {print $2}')
      (cd packages && apt-get -o APT::Sandbox::User=root download -q $names >/dev/null)
      for package in packages/*.deb; do dpkg -x "$package" debian; done
      rm -rf packages debian/usr/share
      packages=$folder/debian$packages
    fi
    for part in "$packages"/{torch,functorch,torchgen,torch-*-info}; do ln -sfn "$part" "$site/"; done
    venv/bin/pip install -q -r "$here/llava_torch.txt"
    venv/bin/pip install -q --no-deps llava-torch==1.2.2.post1 accelerate==0.21.0
    # The wheel lacks two pictures that its page shows.
    mkdir -p "$site/llava/serve/examples"
    venv/bin/python - "$site/llava/serve/examples" <<'PYTHON'
import pathlib, sys
from PIL import Image
for name in ("extreme_ironing", "waterview"):
    Image.new("RGB", (64, 48), "gray").save(pathlib.Path(sys.argv[1]) / (name + ".jpg"))
PYTHON
    ;;
  *)
    sed -n '3,7s/^# \{0,1\}//p' "$here/setup.sh" >&2
    exit 2
    ;;
esac
# The folders of the unpacked libraries, where there are any.
libraries=$(ls -d "$folder"/debian{,/usr}/lib{,/*-linux-gnu} 2>/dev/null | paste -sd:) || true
printf '#!/bin/sh\nLD_LIBRARY_PATH=%s${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH} exec %s/venv/bin/python "$@"\n' \
  "$libraries" "$folder" >python
chmod +x python
touch complete
