// SPDX-License-Identifier: Apache-2.0
/// Writes a state dict as torch.save does since torch 1.6: a zip file of stored members ROOT/data.pkl, a pickle of the
/// names and shapes, and ROOT/data/0, ROOT/data/1 …, the values. torch.load(weights_only=True) reads it, and
/// torch_file.hpp. For small files, of a projector: a tensor is in memory while it is written, and the file stays below
/// 4 GiB, the limit of zip files without 64-bit records.
#pragma once
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <llava/base/error.hpp>
#include <llava/base/executor.hpp>
#include <llava/checkpoint/folder.hpp>
#include <llava/checkpoint/partial_folder.hpp>
#include <llava/checkpoint/weight_files.hpp>

LLAVA_BEGIN

namespace detail {

/// CRC-32 as zip files have it (the polynomial of Ethernet, reflected).
inline std::uint32_t zip_checksum(std::string_view bytes) {
  static constexpr auto table = [] {
    std::array<std::uint32_t, 256> t{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t x = i;
      for (int bit = 0; bit < 8; ++bit) x = x >> 1 ^ (x & 1 ? 0xedb88320u : 0u);
      t[i] = x;
    }
    return t;
  }();
  std::uint32_t sum = ~0u;
  for (const char c : bytes) sum = sum >> 8 ^ table[(sum ^ static_cast<unsigned char>(c)) & 255];
  return ~sum;
}

/// A number in `width` bytes, the lowest first.
inline std::string number_bytes(std::uint64_t n, int width) {
  std::string bytes;
  for (int i = 0; i < width; ++i, n >>= 8) bytes += static_cast<char>(n & 255);
  return bytes;
}

/// A zip file of stored members, being written.
class zip_writer {
 public:
  explicit zip_writer(const std::string& file) : file_(file), out_(std::fopen(file.c_str(), "wbx"), &std::fclose) {}

  result<void> try_add(const std::string& name, std::string_view bytes) {
    const std::uint64_t at = size_;
    // Versions, flags, method 0, 1980-01-01 00:00, checksum, sizes, lengths of the name and of nothing else.
    const std::string about = number_bytes(0, 6) + number_bytes(0x21, 2) + number_bytes(zip_checksum(bytes), 4) +
                              number_bytes(bytes.size(), 4) + number_bytes(bytes.size(), 4) +
                              number_bytes(name.size(), 2) + number_bytes(0, 2);
    LLAVA_CHECK(try_put("PK\3\4" + number_bytes(20, 2) + about + name));
    LLAVA_CHECK(try_put(bytes));
    directory_ +=
        "PK\1\2" + number_bytes(20, 2) + number_bytes(20, 2) + about + number_bytes(0, 10) + number_bytes(at, 4) + name;
    ++count_;
    return {};
  }

  result<void> try_finish() {
    const std::uint64_t at = size_;
    LLAVA_CHECK(try_put(directory_));
    LLAVA_CHECK(try_put("PK\5\6" + number_bytes(0, 4) + number_bytes(count_, 2) + number_bytes(count_, 2) +
                        number_bytes(directory_.size(), 4) + number_bytes(at, 4) + number_bytes(0, 2)));
    if (std::fclose(out_.release()) != 0) return fail_of_system(errno, "llava: cannot write ", file_);
    return {};
  }

 private:
  result<void> try_put(std::string_view bytes) {
    if (bytes.size() > UINT32_MAX - size_)
      return fail(errc::unsupported, text_of("llava: ", file_, " would be larger than 4 GiB, which this writer of ",
                                             "torch's files cannot write; write safetensors"));
    if (!out_ || std::fwrite(bytes.data(), 1, bytes.size(), out_.get()) != bytes.size())
      return fail_of_system(errno, "llava: cannot write ", file_);
    size_ += bytes.size();
    return {};
  }

  std::string file_, directory_;
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> out_;
  std::uint64_t size_ = 0, count_ = 0;
};

/// The pickle of a state dict, in protocol 2, whose tensor i has storage i.
inline std::string pickled_state_dict(std::span<const planned_tensor> tensors) {
  const auto text = [](std::string_view s) { return "X" + number_bytes(s.size(), 4) + std::string(s); };
  const auto integer = [](std::uint64_t n) { return "\x8a\x08" + number_bytes(n, 8); };
  const auto tuple = [&](const std::vector<std::size_t>& numbers) {
    std::string program = "(";
    for (const std::size_t n : numbers) program += integer(n);
    return program + "t";
  };
  std::string program = "\x80\x02}(";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const safetensors_plan& t = tensors[i].to;
    const char* storage = t.type == dtype::float32   ? "FloatStorage"
                          : t.type == dtype::float16 ? "HalfStorage"
                                                     : "BFloat16Storage";
    std::vector<std::size_t> strides(t.dims.size(), 1);
    for (std::size_t a = strides.size(); a-- > 1;) strides[a - 1] = strides[a] * t.dims[a];
    program += text(t.name) + "ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + "ctorch\n" + storage + "\n" +
               text(std::to_string(i)) + text("cpu") + integer(t.bytes() / size_of(t.type)) + "tQ" + integer(0) +
               tuple(t.dims) + tuple(strides) +
               "\x89"
               "ccollections\nOrderedDict\n)RtR";
  }
  return program + "u.";
}

}  // namespace detail

/// Writes tensors of f32, f16 or bf16 to the new file `file`, which appears when it is complete.
inline result<void> try_write_torch_file(const std::string& file, std::span<const planned_tensor> tensors,
                                         executor& threads, const weight_work& work) {
  const std::string name = file.substr(file.rfind('/') + 1), root = name.substr(0, name.rfind('.'));
  LLAVA_TRY(folder, partial_folder::try_make(file + ".partial-"));
  const std::string partial = folder.path() + "/file";
  detail::zip_writer zip(partial);
  std::uint64_t done = 0, total = 0;
  for (const planned_tensor& t : tensors) total += t.to.bytes();
  LLAVA_CHECK(zip.try_add(root + "/data.pkl", detail::pickled_state_dict(tensors)));
  LLAVA_CHECK(zip.try_add(root + "/byteorder", "little"));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    if (tensors[i].to.bytes() > UINT32_MAX)
      return fail(errc::unsupported, text_of("llava: ", tensors[i].to.name, " is larger than 4 GiB"));
    std::string bytes;
    const auto put = [&](std::span<const std::byte> more) -> result<void> {
      bytes.append(reinterpret_cast<const char*>(more.data()), more.size());
      return {};
    };
    LLAVA_CHECK(detail::try_put_rows(put, tensors[i], threads));
    LLAVA_CHECK(zip.try_add(text_of(root, "/data/", i), bytes));
    done += bytes.size();
    if (!work.report({work.name, done, total}))
      return fail(errc::cancelled, text_of("llava: ", work.name, " ", work.path, " was cancelled"));
  }
  LLAVA_CHECK(zip.try_add(root + "/version", "3\n"));
  LLAVA_CHECK(zip.try_finish());
  if (const int failure = detail::move_to_free_place(partial, file); failure != 0)
    return fail_of_system(failure, "llava: cannot rename ", partial, " to ", file);
  return {};
}

LLAVA_END
