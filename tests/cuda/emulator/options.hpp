// SPDX-License-Identifier: Apache-2.0
/// How the emulator runs kernels. Tests change it between launches.
#pragma once

namespace llava::emulator {

struct options {
  /// The order in which ready threads, and blocks, run: 0 in order, 1 reversed; another number is the seed of a
  /// shuffle.
  unsigned schedule = 0;
  /// Blocks that run at once, each on an OS thread. 0: as many as the machine has cores. A checked program runs one.
  unsigned workers = 0;
};
/// The options of the launches that follow.
options& settings();

/// The number of kernels launched so far.
long launches();

/// Whether this program is a checked one: its kernels are instrumented (docs/cuda.md), so that each access to device
/// memory is checked. It launches kernels from one thread at a time.
bool is_checked();

}  // namespace llava::emulator
