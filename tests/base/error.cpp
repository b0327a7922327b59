// SPDX-License-Identifier: Apache-2.0
#include <llava/base/error.hpp>
#include <llava_catch.hpp>

using namespace llava;

TEST_CASE("what the system refused is told with its reason", "[base]") {
  const error absent = fail_of_system(ENOENT, "llava: cannot open ", "x");
  CHECK(absent.sentence() == "llava: cannot open x: No such file or directory");
  CHECK(absent.code() == errc::not_found);
  CHECK(fail_of_system(EACCES, "llava: cannot open ", 7).sentence() == "llava: cannot open 7: Permission denied");
  CHECK(fail_of_system(EACCES, "").code() == errc::io);
  CHECK(fail_of_system(ENOSPC, "").code() == errc::io);
  CHECK(fail_of_system(ENOMEM, "").code() == errc::out_of_memory);
}

TEST_CASE("a sentence is whole, whatever names a file puts into it", "[base]") {
  const error e = fail(errc::mismatch, std::string("llava: x\0y is no file", 21));
  CHECK(e.what() == std::string("llava: x?y is no file"));
  CHECK(e.sentence() == e.what());
}
