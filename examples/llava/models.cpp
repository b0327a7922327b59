// SPDX-License-Identifier: Apache-2.0
#include "models.hpp"

#include <llava_open/any_scalar_bf16.hpp>
#include <llava_open/any_scalar_f16.hpp>
#include <llava_open/any_scalar_f32.hpp>
#include <llava_open/any_simd_bf16.hpp>
#include <llava_open/any_simd_f16.hpp>
#include <llava_open/any_simd_f32.hpp>

llava::result<llava::chat_model> try_open_model(std::string_view folder, std::string_view backend,
                                                std::string_view dtype, const llava::open_options& options) {
  if (backend == "simd") {
    if (dtype == "f16") return llava_open_any_simd_f16(folder, options);
    if (dtype == "bf16") return llava_open_any_simd_bf16(folder, options);
    if (dtype == "f32") return llava_open_any_simd_f32(folder, options);
  } else if (backend == "scalar") {
    if (dtype == "f16") return llava_open_any_scalar_f16(folder, options);
    if (dtype == "bf16") return llava_open_any_scalar_bf16(folder, options);
    if (dtype == "f32") return llava_open_any_scalar_f32(folder, options);
  }
  return llava::fail(llava::errc::unsupported,
                     llava::text_of("llava: this command has no backend ", backend, " with weights as ", dtype));
}
