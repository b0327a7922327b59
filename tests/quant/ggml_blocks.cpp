// SPDX-License-Identifier: Apache-2.0
/// ggml's types, compared with gguf (tests/oracle/ggml_blocks.py).
#include <llava/quant/ggml_blocks.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <span>
#include <sstream>
#include <string>
#include <vector>

#include <crc32.hpp>
#include <llava_catch.hpp>

namespace {

/// The bytes of the oracle.
std::vector<std::byte> stream(std::size_t n) {
  std::vector<std::byte> bytes(n);
  for (std::size_t i = 0; i < n; ++i)
    bytes[i] = static_cast<std::byte>((i * 2654435761u + (i >> 8) * 40503u) >> 24 & 255u);
  return bytes;
}

}  // namespace

TEST_CASE("blocks of ggml's types decode to the bits of gguf, for any bytes", "[quant]") {
  std::ifstream file(LLAVA_TEST_DATA "/quant/ggml_blocks.txt");
  int types = 0;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("#")) continue;
    std::istringstream in(line);
    std::string name, crc;
    std::uint32_t id = 0, elements = 0, size = 0;
    in >> name >> id >> elements >> size >> crc;
    INFO(line);
    const llava::ggml_type* type = llava::find_ggml_type(id);
    REQUIRE(type);
    CHECK(type->name == name);
    CHECK(type->elements == elements);
    CHECK(type->bytes == size);
    REQUIRE(type->decode);
    constexpr std::size_t blocks = 512;
    const std::vector<std::byte> bytes = stream(blocks * size);
    std::vector<float> all(blocks * elements);
    std::vector<float> values(elements);
    for (std::size_t b = 0; b < blocks; ++b) {
      type->decode(bytes.data() + b * size, values.data());
      for (float& v : values)
        if (std::isnan(v)) v = std::bit_cast<float>(0x7fc00000u);
      std::copy(values.begin(), values.end(), all.begin() + static_cast<std::ptrdiff_t>(b * elements));
    }
    std::ostringstream found;
    found << std::hex;
    found.width(8), found.fill('0');
    found << crc32(std::as_bytes(std::span(all)));
    CHECK(found.str() == crc);
    ++types;
  }
  CHECK(types == 16);
}

TEST_CASE("ggml's types have ascending numbers and blocks of whole bytes", "[quant]") {
  for (std::size_t i = 0; i < std::size(llava::ggml_types); ++i) {
    const llava::ggml_type& t = llava::ggml_types[i];
    CHECK(llava::find_ggml_type(t.id) == &t);
    CHECK((i == 0 || llava::ggml_types[i - 1].id < t.id));
    CHECK((t.elements > 0 && t.elements <= 256 && t.bytes > 0));
  }
  for (const std::uint32_t withdrawn : {4u, 5u, 31u, 33u, 36u, 38u, 43u, 1u << 31})
    CHECK(!llava::find_ggml_type(withdrawn));
}
