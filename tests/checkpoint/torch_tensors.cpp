// SPDX-License-Identifier: Apache-2.0
/// State dicts whose tensors and storages do not fit, in files that are otherwise valid.
#include <llava/checkpoint/torch_file.hpp>

#include <limits>

#include <llava_catch.hpp>
#include <temporary_folder.hpp>
#include <torch_writer.hpp>

namespace {

using namespace torch_writer;

std::string error_of(const std::string& bytes) {
  temporary_folder f("torch_tensors");
  f.write("m.bin", bytes);
  const auto opened = llava::torch_file::try_open(f / "m.bin");
  if (opened) return "";
  CHECK(opened.error().sentence().find("llava: " + (f / "m.bin")) == 0);
  return opened.error().sentence();
}
/// The error of a file with this pickle and a storage "0" of 16 bytes.
std::string error_of_pickle(const std::string& program) {
  return error_of(zip_of({{"m/data.pkl", pickle_of(program)}, {"m/data/0", std::string(16, '\1')}}));
}
std::string error_of_tensor(const tensor& t) { return error_of_pickle(dict(text(t.name) + program_of(t))); }

}  // namespace

TEST_CASE("R2: tensors that do not lie inside their storage are refused") {
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  struct row {
    std::string fragment;
    tensor t;
  };
  const auto view = [](std::int64_t offset, std::vector<std::int64_t> sizes, std::vector<std::int64_t> strides) {
    return tensor{"t", "FloatStorage", "0", 4, offset, std::move(sizes), std::move(strides)};
  };
  const auto of = [](const std::string& type, std::int64_t elements, const std::string& key = "0") {
    return tensor{"t", type, key, elements, 0, {1}, {1}};
  };
  for (const row& r : {row{"", view(0, {2, 2}, {2, 1})},
                       {"", view(3, {}, {})},
                       {"", view(100, {0, 7}, {7, 1})},  // no element, so the offset has no meaning
                       {"", view(0, {2, 2}, {1, 2})},
                       {"", view(1, {3, 1}, {1, 9})},
                       {"", view(0, {2}, {0})},
                       {"its offset is -1", view(-1, {2}, {1})},
                       {"its sizes and strides must be integers from 0", view(0, {-1}, {1})},
                       {"its sizes and strides must be integers from 0", view(3, {2}, {-1})},
                       {"it ends at element 4 of a storage of 4 elements", view(4, {}, {})},
                       {"it ends at element 4 of a storage of 4 elements", view(0, {5}, {1})},
                       {"it ends at element 4 of a storage of 4 elements", view(1, {2, 2}, {2, 1})},
                       {"it ends at element 4 of a storage of 4 elements", view(0, {2, 2}, {3, 1})},
                       {"it repeats the elements of its storage (torch's expand)", view(0, {5}, {0})},
                       {"it repeats the elements of its storage (torch's expand)", view(0, {1 << 30, 1 << 30}, {0, 0})},
                       {"its sizes and strides overflow", view(0, {1LL << 32, 1LL << 32}, {0, 0})},
                       {"its sizes and strides overflow", view(0, {most, 3}, {0, 0})},
                       {"its sizes and strides overflow", view(0, {4}, {most})},
                       {"its sizes and strides overflow", view(0, {2, 2, 2}, {most, most, most})},
                       {"it ends at element", view(most, {2}, {1})},
                       {"it has 2 sizes and 1 strides", view(0, {1, 1}, {1})},
                       {"it has 9 sizes and 9 strides, expected as many, and at most 8",
                        view(0, std::vector<std::int64_t>(9, 1), std::vector<std::int64_t>(9, 1))},
                       {"has a storage of -1 elements", of("FloatStorage", -1)},
                       {"has a storage of 9223372036854775807 elements", of("FloatStorage", most)},
                       {"its storage 0 has 16 bytes, expected 20", of("FloatStorage", 5)},
                       {"its storage 0 has 16 bytes, expected 12", of("FloatStorage", 3)},
                       {"its storage 0 has 16 bytes, expected 8", of("HalfStorage", 4)},
                       {"its storage 1 is not in the file", of("FloatStorage", 4, "1")},
                       {"its storage ../0 is not in the file", of("FloatStorage", 4, "../0")},
                       {"its storage  is not in the file", of("FloatStorage", 4, "")},
                       {"asks for torch.ComplexFloatStorage", of("ComplexFloatStorage", 2)},
                       {"of a type that is none of torch's storages", of("Size", 4)}}) {
    const std::string error = error_of_tensor(r.t);
    INFO(r.fragment << " in " << error);
    CHECK(r.fragment.empty() == error.empty());
    CHECK(error.find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("an entry that is not a tensor is refused; tensors under one key are found and the key is named") {
  const std::string good = program_of({"t"}), rebuild = name("torch._utils", "_rebuild_tensor_v2");
  const auto with_id = [&](const std::string& id) {
    return dict(text("t") + rebuild + "((" + id + "tQ" + integer(0) + tuple({1}) + tuple({1}) + "\x89}tR");
  };
  struct row {
    std::string program, fragment;
  };
  for (const row& r :
       {row{"N", "holds None, expected a state_dict: a dict of tensors"},
        {"]", "holds a list, expected a state_dict"},
        {good, "holds a tensor, expected a state_dict"},
        {dict(text("state_dict") + dict(text("t") + good)), "holds its tensors under the key \"state_dict\""},
        {dict(text("epoch") + "K\3" + text("model") + dict(text("t") + good)),
         "torch.save(torch.load(file)[\"model\"], file)"},
        {dict(text("t") + good + text("epoch") + "K\3"), "its entry \"epoch\" is not a tensor with a name"},
        {dict(text("args") + dict("")), "its entry \"args\" is not a tensor"},
        {dict("K\1" + good), "its entry \"\" is not a tensor with a name"},
        {dict(text("t") + good + text("t") + good), "the tensor t is repeated"},
        {dict(text("\xff") + good), "the name of a tensor is not UTF-8"},
        {dict(text("t") + rebuild + "(" + storage({"t"}) + text("0") + "))\x89}tR"), "it needs an offset, sizes and"},
        {dict(text("t") + rebuild + "(" + storage({"t"}) + integer(0) + "](K\1e)\x89}tR"), "it needs an offset, sizes"},
        {dict(text("t") + rebuild + "(" + storage({"t"}) + integer(0) + "N\x85K\1\x85\x89}tR"),
         "must be integers from 0"},
        {dict(text("t") + program_of({"t"}, "NN")), "a persistent id that is not one of a storage"},
        {dict(text("t") + program_of({"t"}, tuple({0, 1}))),
         "that is a view of another one, as torch wrote before 0.4"},
        {with_id(text("module") + name("torch", "FloatStorage") + text("0") + text("cpu") + integer(4)),
         "without a key and a number of elements"},
        {with_id(text("storage") + name("torch", "FloatStorage") + integer(0) + text("cpu") + integer(4)),
         "without a key"},
        {with_id(text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu") + "N"), "without a key"},
        {with_id(text("storage") + "N" + text("0") + text("cpu") + integer(4)), "none of torch's storages"}}) {
    const std::string error = error_of_pickle(r.program);
    INFO(r.fragment << " in " << error);
    CHECK(error.find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("more tensors than this library reads are refused before one is made") {
  std::string program = "}(";
  for (int i = 0; i < 65537; ++i) program += "NN";
  CHECK(error_of_pickle(program + "u").find("holds 65537 tensors, expected at most 65536") != std::string::npos);
}
