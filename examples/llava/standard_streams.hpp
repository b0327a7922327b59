// SPDX-License-Identifier: Apache-2.0
/// Keeps files of a program away from its standard streams.
#pragma once
#include <fcntl.h>
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
