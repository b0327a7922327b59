// SPDX-License-Identifier: Apache-2.0
/// The model that a program of bench/gpu.sh opens. Each object of model.cpp and cpu.cpp has one format of weights, and
/// a program links the one that it needs: so a format is compiled once, at the same time as the others.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include <llava/base/error.hpp>
#include <llava/pipeline/opened_model.hpp>
#include <llava/pipeline/options.hpp>

namespace gpu {

using any_model = std::shared_ptr<const llava::opened_model>;

/// Opens a folder on the CUDA device (model.cpp), with weights of this format.
llava::result<any_model> try_open(const std::string& folder, const llava::open_options& options);
extern const std::string_view format_name;

/// The same on the CPU (cpu.cpp), for comparison.
llava::result<any_model> try_open_on_cpu(const std::string& folder, const llava::open_options& options);

}  // namespace gpu
