// SPDX-License-Identifier: Apache-2.0
// The second of two translation units that include every header of the umbrella: a function without `inline` in any of
// them is defined twice, and the program does not link.
#include <llava.hpp>
#if LLAVA_TEST_IMAGE_FILES
#include <llava/image/file.hpp>
#endif

int version_of_other();
int version_of_other() { return LLAVA_VERSION_MINOR; }
