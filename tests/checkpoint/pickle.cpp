// SPDX-License-Identifier: Apache-2.0
/// Pickles that build values, and pickles that must be refused. tests/checkpoint/torch_file.cpp reads those of torch.
#include <llava/checkpoint/pickle.hpp>

#include <llava_catch.hpp>
#include <torch_writer.hpp>

namespace {

using namespace torch_writer;
using llava::detail::try_read_pickle;
using kind = llava::detail::pickle_value::kind;

std::string error_of(const std::string& bytes) {
  const auto read = try_read_pickle("FILE", bytes);
  if (read) return "";
  CHECK(read.error().sentence().find("llava: FILE: byte ") == 0);
  return read.error().sentence();
}
llava::detail::pickle read(const std::string& program) {
  auto p = try_read_pickle("FILE", program);
  if (!p) FAIL(p.error().what());
  return *std::move(p);
}

}  // namespace

TEST_CASE("numbers, texts, tuples, lists and dicts of every protocol are read") {
  CHECK(read("\x80\x02N.").top().is == kind::none);
  CHECK(read("\x80\x02\x88.").top().number == 1);
  CHECK(read("\x80\x02J\xfe\xff\xff\xff.").top().number == -2);
  CHECK(read("\x80\x02K\xff.").top().number == 255);
  CHECK(read("\x80\x02M\xff\xff.").top().number == 65535);
  CHECK(read(std::string("\x80\x02\x8a\0.", 5)).top().number == 0);
  CHECK(read("\x80\x02\x8a\x01\xff.").top().number == -1);
  CHECK(read(std::string("\x80\x02\x8a\x02\xff\0.", 7)).top().number == 255);
  CHECK(read("\x80\x02\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f.").top().number == INT64_MAX);
  CHECK(read("\x80\x02\x8b" + number(9, 4) + "123456789.").top().is == kind::other);
  CHECK(read("\x80\x02G12345678.").top().is == kind::other);
  for (const std::string& said : {text("ab"), "\x8c\x02" + std::string("ab"), "\x8d" + number(2, 8) + "ab",
                                  "U\x02" + std::string("ab"), "T" + number(2, 4) + "ab"})
    CHECK(read(pickle_of(said)).top().text == "ab");
  const auto all =
      read(pickle_of("(K\x01K\x02\x86]K\x03"
                     "a(K\x04K\x05"
                     "e}K\x06K\x07s)t"));
  REQUIRE(all.top().items.size() == 4);
  const auto items_of = [&](std::size_t i) { return all[all.top().items[i]].items.size(); };
  CHECK((items_of(0) == 2 && items_of(1) == 3 && items_of(2) == 2 && items_of(3) == 0));
  const std::string framed = "\x80\x04\x95" + number(7, 8) + "K\x01\x94h" + std::string(1, '\0') + "\x86.";
  const auto twice = read(framed + "more");
  CHECK(twice.size == framed.size());
  CHECK(twice.top().items == std::vector<std::uint32_t>(2, twice.top().items[0]));
}

TEST_CASE("calls of known names become values; an OrderedDict's attributes are dropped") {
  CHECK(read(pickle_of(name("collections", "OrderedDict") + ")R}" + text("_metadata") + "}sb")).top().is == kind::dict);
  CHECK(read("\x80\x04\x8c\x0b"
             "collections\x8c\x0bOrderedDict\x93)R.")
            .top()
            .is == kind::dict);
  CHECK(read(pickle_of(name("torch", "Size") + tuple({4, 5}) + "\x85R")).top().items.size() == 2);
  const tensor t{"t"};
  const auto made = read(pickle_of(program_of(t)));
  CHECK(made.top().is == kind::tensor);
  CHECK(made.top().items.size() == 4);
  CHECK(read(pickle_of(name("torch._utils", "_rebuild_parameter") + "(" + program_of(t) + "\x88}tR")).top().is ==
        kind::tensor);
}

TEST_CASE("R3: a pickle that would call anything else is refused, and the error names it") {
  struct row {
    std::string program, fragment;
  };
  for (const row& r :
       {row{name("os", "system") + text("id") + "\x85R", "asks for os.system, which is not run"},
        {name("posix", "system") + text("id") + "\x85R", "asks for posix.system, which is not run"},
        {name("builtins", "eval") + text("1") + "\x85R", "asks for builtins.eval"},
        {name("__builtin__", "getattr"), "asks for __builtin__.getattr"},
        {name("torch", "load"), "asks for torch.load"},
        {name("torch.storage", "_load_from_bytes"), "asks for torch.storage._load_from_bytes"},
        {name("torch._utils", "_rebuild_tensor_v2\x01"), "asks for torch._utils._rebuild_tensor_v2"},
        {name("collections.OrderedDict", ""), "asks for collections.OrderedDict."},
        {name("argparse", "Namespace") + ")\x81", "asks for argparse.Namespace"},
        {"\x8c\x02os\x8c\x06system\x93", "asks for os.system"},
        {name("torch", "FloatStorage") + ")R", "calls torch.FloatStorage with arguments that it does not have"},
        {name("collections", "OrderedDict") + "]\x85R", "calls collections.OrderedDict with arguments"},
        {name("torch._utils", "_rebuild_tensor_v2") + ")R", "calls torch._utils._rebuild_tensor_v2 with arguments"},
        {name("torch._utils", "_rebuild_tensor_v2") + "(NK\1))\x89}tR", "calls torch._utils._rebuild_tensor_v2"},
        {name("torch._utils", "_rebuild_parameter") + "N\x88}\x87R", "calls torch._utils._rebuild_parameter"},
        {name("torch", "Size") + "K\x01\x85R", "calls torch.Size"},
        {text("f") + ")R", "calls something other than a name"},
        {name("collections", "OrderedDict") + "}R", "calls something other than a name"},
        {name("collections", "OrderedDict") + "}b", "sets attributes of a type"},
        {"N}b", "sets attributes of None"},
        {name("collections", "OrderedDict") + ")\x81", "has the instruction 129, which no pickle of tensors has"},
        {name("collections", "OrderedDict") + ")}\x92", "has the instruction 146"},
        {"Pid\n", "has the instruction 80"},
        {"(ios\nsystem\n", "has the instruction 105"},
        {"(os\nsystem\no", "has the instruction 111"},
        {"\x82\x01", "has the instruction 130"},
        {"\x97", "has the instruction 151"}}) {
    INFO(r.fragment);
    const std::string error = error_of(pickle_of(r.program));
    INFO(error);
    CHECK(error.find(r.fragment) != std::string::npos);
  }
  CHECK(error_of(pickle_of(name("os", "system")))
            .find("save the model's state_dict alone, as safetensors or with "
                  "torch.save(model.state_dict(), file)") != std::string::npos);
}

TEST_CASE("R1: pickles that end early, or take values that are not there, are refused") {
  struct row {
    std::string bytes, fragment;
  };
  for (const row& r : {row{"", "needs bytes past its end"},
                       {"\x80", "past its end"},
                       {"\x80\x02", "past its end"},
                       {std::string("\x80\x00.", 3), "is of protocol 0, expected 2 to 5"},
                       {"\x80\x01.", "is of protocol 1"},
                       {"\x80\x06.", "is of protocol 6"},
                       {"\x80\x02.", "takes a value that is not there"},
                       {pickle_of("J\1\2"), "past its end"},
                       {pickle_of("X" + number(10, 4) + "ab"), "past its end"},
                       {pickle_of("X\xff\xff\xff\xff"), "past its end"},
                       {pickle_of("\x8d\xff\xff\xff\xff\xff\xff\xff\xff"), "past its end"},
                       {pickle_of("\x8b\xff\xff\xff\xff"), "past its end"},
                       {pickle_of("\x95\xff\xff\xff\xff\xff\xff\xff\x7f"), "has a frame past its end"},
                       {pickle_of("ctorch"), "has a name without an end"},
                       {pickle_of("ctorch\nSize"), "has a name without an end"},
                       {pickle_of("\x85"), "takes a value that is not there"},
                       {pickle_of("N\x87"), "takes a value that is not there"},
                       {pickle_of("N(\x85t"), "takes a value that is not there"},
                       {pickle_of("N(."), "takes a value that is not there"},
                       {pickle_of("t"), "has no mark"},
                       {pickle_of("Nu"), "has no mark"},
                       {pickle_of("(NNu"), "takes a value that is not there"},
                       {pickle_of("NNa"), "adds to None as if it were a list"},
                       {pickle_of("}Na"), "adds to a dict as if it were a list"},
                       {pickle_of("]NNs"), "adds to a list as if it were a dict"},
                       {pickle_of("}(NNNu"), "adds a key without a value"},
                       {pickle_of(std::string("h\0", 2)), "fetches 0 of its memo, where nothing is"},
                       {pickle_of(std::string("Nq\2h\1", 5)), "fetches 1 of its memo"},
                       {pickle_of("q\1"), "takes a value that is not there"},
                       {pickle_of("Nr\xff\xff\xff\xff"), "stores a value at 4294967295 of its memo"},
                       {pickle_of("NNR"), "calls something other than a name"},
                       {pickle_of("NQ"), "has a persistent id that is not one of a storage"},
                       {pickle_of("(NNNNNNNtQ"), "has a persistent id that is not one of a storage"},
                       {pickle_of("K\1K\2\x93"), "has a name that is not a text"}}) {
    const std::string error = error_of(r.bytes);
    INFO(r.fragment << " in " << error);
    CHECK(error.find(r.fragment) != std::string::npos);
  }
}

TEST_CASE("R1: deep, self-referring and large pickles end in a value or an error, without recursion") {
  CHECK(read(pickle_of("]" + std::string("q\0h\0a", 5))).top().items.size() == 1);  // a list that holds itself
  std::string deep = "N";
  for (int i = 0; i < 300000; ++i) deep += "\x85";
  CHECK(read(pickle_of(deep)).top().is == kind::tuple);
  CHECK(error_of(pickle_of(std::string(1 << 20, 'N'))).find("makes more values") != std::string::npos);
  CHECK(error_of(pickle_of(std::string(1 << 20, '('))).find("stacks more values") != std::string::npos);
  std::string same = std::string("Nq\0", 3);
  for (int i = 0; i < 1 << 19; ++i) same += std::string("h\0", 2);
  CHECK(error_of(pickle_of(same)).find("stacks more values") != std::string::npos);
  // Each list holds the one before it twice: 2^200 paths, 200 lists.
  std::string laughs = std::string("]q\0", 3);
  for (int i = 0; i < 200; ++i) laughs += std::string("](h\0h\0eq\0", 9);
  CHECK(read(pickle_of(laughs)).values.size() < 300);
}
