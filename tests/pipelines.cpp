// SPDX-License-Identifier: Apache-2.0
#include "pipelines.hpp"

template struct llava::pipeline_state<llava::any, llava::simd, llava::weights<llava::f16>>;
template struct llava::pipeline_state<llava::any, llava::simd, llava::weights<llava::f32>>;
