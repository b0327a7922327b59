// SPDX-License-Identifier: Apache-2.0
// One pipeline on the CUDA backend: nvcc.py counts the registers of its kernels, and sass.py disassembles them. Both
// define WEIGHTS.
#include <llava.hpp>
#include <llava/backend/cuda.hpp>

template struct llava::pipeline_state<llava::any, llava::cuda, llava::policy_of<WEIGHTS>>;
