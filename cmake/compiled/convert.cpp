// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/convert_inl.hpp>
