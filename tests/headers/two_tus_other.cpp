// SPDX-License-Identifier: Apache-2.0
// The second of two translation units that include every header of the umbrella. A function without `inline` would be
// defined twice, and the program would not link.
#include <llava.hpp>
#include <llava/grammar/constraint.hpp>
#include <llava/grammar/described_value.hpp>
#if LLAVA_TEST_IMAGE_FILES
#include <llava/image/file.hpp>
#include <llava/image/frames_file.hpp>
#endif

int version_of_other();
int version_of_other() { return LLAVA_VERSION_MINOR; }
