// SPDX-License-Identifier: Apache-2.0
// See two_tus_other.cpp.
#include <llava.hpp>
#include <llava/grammar/constraint.hpp>
#include <llava/grammar/described_value.hpp>
#if LLAVA_TEST_IMAGE_FILES
#include <llava/image/file.hpp>
#include <llava/image/frames_file.hpp>
#endif

int version_of_other();

int main() { return version_of_other() == LLAVA_VERSION_MINOR ? 0 : 1; }
