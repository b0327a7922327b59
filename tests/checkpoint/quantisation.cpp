// SPDX-License-Identifier: Apache-2.0
// What config.json states under "quantization_config".
#include <llava/checkpoint/describe.hpp>
#include <llava/checkpoint/quantisation.hpp>
#include <llava_catch.hpp>
#include <temporary_folder.hpp>

using namespace llava;

TEST_CASE("gptq, awq: config.json may state the form at the top or in text_config; other forms are refused by name") {
  const auto read = [](const std::string& how) -> result<weight_quantisation> {
    LLAVA_TRY(value, try_parse_json("config.json", how));
    return try_read_quantisation(json_object("config.json", {}, &value));
  };
  const auto q =
      read(R"({"quantization_config": {"quant_method": "gptq", "bits": 3, "group_size": -1, "desc_act": true}})");
  REQUIRE(q);
  CHECK((q->method == quantisation_method::gptq && q->bits == 3 && q->group_size == -1));
  CHECK((q->activation_order && q->zeros_minus_one));
  const auto v2 = read(R"({"quantization_config": {"quant_method": "gptq", "bits": 8, "checkpoint_format": "gptq_v2",
                           "format": "gptq_v2", "pack_dtype": "int32", "version": "7"}})");
  REQUIRE(v2);
  CHECK((v2->bits == 8 && v2->group_size == 128 && !v2->activation_order && !v2->zeros_minus_one));
  const auto awq = read(R"({"text_config": {"quantization_config": {"quant_method": "awq", "version": "GEMM", "bits": 4,
                            "zero_point": true, "group_size": 64, "backend": "autoawq"}}})");
  REQUIRE(awq);
  CHECK((awq->method == quantisation_method::awq && awq->group_size == 64 && !awq->zeros_minus_one));
  CHECK(read(R"({"quantization_config": null})")->method == quantisation_method::none);
  CHECK(read(R"({"quantization_config": {"quant_method": "bitsandbytes"}})")->method ==
        quantisation_method::bitsandbytes);

  const std::pair<std::string, std::string> refused[] = {
      {R"("gptq", "bits": 4, "checkpoint_format": "marlin")",
       "checkpoint_format\" is marlin, expected gptq or gptq_v2; use"},
      {R"("gptq", "bits": 3, "checkpoint_format": "gptq_p")", "checkpoint_format\" is gptq_p"},
      {R"("gptq", "bits": 4, "checkpoint_format": "gptq", "format": "gptq_v2")",
       "format\" is gptq_v2, expected gptq, which \"checkpoint_format\" is"},
      {R"("gptq", "bits": 4, "is_marlin_format": true)", "is_marlin_format\" is true, expected false"},
      {R"("gptq", "bits": 4, "pack_dtype": "int16")", "pack_dtype\" is int16, expected int32"},
      {R"("gptq", "bits": 5)", "bits\" is 5, expected 2, 3, 4 or 8"},
      {R"("gptq")", "bits\" must be 2, 3, 4 or 8"},
      {R"("gptq", "bits": "4")", "bits\" must be a 32-bit integer"},
      {R"("gptq", "bits": 4, "group_size": 0)", "group_size\" must be -1 or at least 1"},
      {R"("gptq", "bits": 4, "group_size": 99999999999)", "group_size\" must be a 32-bit integer"},
      {R"("gptq", "bits": 4, "desc_act": 1)", "desc_act\" must be true or false"},
      {R"("awq", "version": "gemv")", "version\" is gemv, expected gemm; use the unquantised model"},
      {R"("awq", "version": "gemv_fast")", "version\" is gemv_fast, expected gemm"},
      {R"("awq", "version": "marlin")", "version\" is marlin, expected gemm"},
      {R"("awq", "version": "exllama")", "version\" is exllama, expected gemm"},
      {R"("awq", "bits": 8)", "bits\" is 8, expected 4"},
      {R"("awq", "backend": "llm-awq")", "backend\" is llm-awq, expected autoawq"},
      {R"("exl2")",
       "quantization_config\" is exl2, expected bitsandbytes, gptq, awq or none; use the unquantised model"},
      {R"("marlin")", "quantization_config\" is marlin"}};
  for (const auto& [how, fragment] : refused) {
    const auto found = read(R"({"quantization_config": {"quant_method": )" + how + "}}");
    REQUIRE_FALSE(found);
    INFO(found.error().sentence());
    CHECK(found.error().sentence().find(fragment) != std::string::npos);
    CHECK(found.error().sentence().find("config.json") != std::string::npos);
  }
}
