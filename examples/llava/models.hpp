// SPDX-License-Identifier: Apache-2.0
/// The pipelines that the command is made of: llava::any on each backend, with each type of weights, one translation
/// unit each. The list stands in examples/CMakeLists.txt.
#pragma once
#include <llava/chat_model.hpp>
#include <llava/pipeline/options.hpp>

#include <string>
#include <string_view>
#include <vector>

llava::result<llava::chat_model> try_open_model(std::string_view folder, std::string_view backend,
                                                std::string_view dtype, const llava::open_options& options);

/// Names of the types that weights can be held in.
std::vector<std::string> compiled_dtypes();

/// The name of the block format of a folder's weights, or of the type that holds most of their bytes.
llava::result<std::string> try_stored_dtype(std::string_view folder);
