// SPDX-License-Identifier: Apache-2.0
/// The pipelines that many tests open. They are compiled once, in pipelines.cpp.
#pragma once
#include <llava.hpp>

extern template struct llava::pipeline_state<llava::any, llava::simd, llava::weights<llava::f16>>;
extern template struct llava::pipeline_state<llava::any, llava::simd, llava::weights<llava::f32>>;
