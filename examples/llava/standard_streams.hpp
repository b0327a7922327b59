// SPDX-License-Identifier: Apache-2.0
/// What every program does first, so that files and their errors are as expected.
#pragma once
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

/// Opens closed standard streams as unwritable files, so that no file opened later takes their descriptors.
inline void keep_standard_streams_apart() {
  while (true) {
    const int descriptor = ::open("/dev/null", O_RDONLY);
    if (descriptor <= STDERR_FILENO && descriptor >= 0) continue;
    if (descriptor >= 0) ::close(descriptor);
    return;
  }
}

/// A write beyond the limit of a file's size (ulimit -f) fails, as on a full disk, and does not end the program.
inline void let_large_files_fail() { ::signal(SIGXFSZ, SIG_IGN); }
