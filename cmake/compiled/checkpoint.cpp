// SPDX-License-Identifier: Apache-2.0
#include <llava/checkpoint/bind_inl.hpp>
#include <llava/checkpoint/checkpoint_inl.hpp>
#include <llava/checkpoint/disk_cache_inl.hpp>
#include <llava/checkpoint/packed_weights_inl.hpp>
