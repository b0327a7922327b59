#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/data/image/videos.pack and videos.txt: short video files, and their frames by the ffmpeg program.

    python tests/oracle/videos.py      needs ffmpeg 5.1 (Debian 12: ffmpeg) with libx264 and libvpx, decord 0.6, numpy

    file NAME offset bytes frames rate     the file's place in the pack; number and rate of frames as decord states them
    frame NAME i W H crc                   frame i of `ffmpeg -i NAME -pix_fmt rgb24`; zlib.crc32 of its bytes
    sample NAME most indices…              the frames that LLaVA-NeXT's demo chooses of decord's reader

The frames are drawn here: a square that moves over a gradient. The first line names the versions.
"""
import subprocess
import tempfile
import zlib
from pathlib import Path

import decord
import numpy as np

OUT = Path(__file__).resolve().parent.parent / "data" / "image"
FILES = {  # name: width, height, frames, rate, arguments of ffmpeg
    "h264.mp4": (48, 32, 40, "25", "-c:v libx264 -bf 2 -g 12 -crf 30 -pix_fmt yuv420p"),
    "h264-odd.mkv": (33, 27, 31, "30000/1001", "-c:v libx264 -bf 2 -g 9 -crf 28 -pix_fmt yuv444p"),
    "h264-range.mp4": (32, 24, 12, "12", "-c:v libx264 -g 5 -crf 28 -pix_fmt yuvj420p -colorspace bt709"),
    "open-gop.ts": (48, 32, 40, "25", "-c:v libx264 -x264-params open-gop=1:bframes=2:keyint=10:scenecut=0 -crf 32 "
                                      "-pix_fmt yuv420p -mpegts_flags +resend_headers"),
    "vp9.webm": (48, 32, 24, "24", "-c:v libvpx-vp9 -g 8 -crf 40 -b:v 0 -pix_fmt yuv420p"),
    "mpeg4.avi": (48, 32, 30, "10", "-c:v mpeg4 -g 10 -q:v 9"),
    "mjpeg.avi": (32, 24, 6, "2", "-c:v mjpeg -q:v 9 -pix_fmt yuvj420p"),
}


def frames_of(width, height, count):
    y, x = np.mgrid[0:height, 0:width]
    for i in range(count):
        frame = np.stack([(x * 5) % 256, (y * 7) % 256, np.full_like(x, 6 * i % 256)], -1).astype(np.uint8)
        left = i * 2 % (width - 8)
        frame[4:14, left:left + 8] = (250, 220, 20)
        yield frame.tobytes()


def run(*words, data=None):
    return subprocess.run(["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", *words], input=data, check=True,
                          stdout=subprocess.PIPE).stdout


def demo_indices(reader, most):
    """The rule of load_video in LLaVA-NeXT's video_demo.py, which video_plans.py runs itself."""
    step = round(reader.get_avg_fps())
    indices = list(range(0, len(reader), step))
    return indices if len(indices) <= most else np.linspace(0, len(reader) - 1, most, dtype=int).tolist()


def main():
    version = subprocess.run(["ffmpeg", "-version"], stdout=subprocess.PIPE, text=True).stdout.split()[2]
    lines = [f"# tests/oracle/videos.py: ffmpeg {version}, decord {decord.__version__}, numpy {np.__version__}"]
    pack = b""
    with tempfile.TemporaryDirectory() as folder:
        for name, (width, height, count, rate, words) in FILES.items():
            file = f"{folder}/{name}"
            subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s",
                            f"{width}x{height}", "-r", rate, "-i", "-", "-threads", "1", *words.split(), "-fflags",
                            "+bitexact", "-flags", "+bitexact", file], input=b"".join(frames_of(width, height, count)),
                           check=True)
            data = Path(file).read_bytes()
            raw = run("-i", file, "-f", "rawvideo", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-")
            size = width * height * 3
            assert len(raw) == size * count, (name, len(raw), size * count)
            reader = decord.VideoReader(file, num_threads=1)
            lines.append(f"file {name} {len(pack)} {len(data)} {len(reader)} {reader.get_avg_fps()!r}")
            for i in range(count):
                lines.append(f"frame {name} {i} {width} {height} {zlib.crc32(raw[i * size:(i + 1) * size]):08x}")
            for most in (3, 64):
                lines.append(f"sample {name} {most} {' '.join(map(str, demo_indices(reader, most)))}")
            pack += data
    (OUT / "videos.pack").write_bytes(pack)
    (OUT / "videos.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
