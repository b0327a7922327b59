// SPDX-License-Identifier: Apache-2.0
#include "page_options.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <thread>

#include <jpeglib.h>

#include <llava/image/file.hpp>

#include "option_rules.hpp"

extern char** environ;

namespace {

// --- JPEG ------------------------------------------------------------------------------------------------------------

struct jpeg_failure {
  jpeg_error_mgr manager{};  // first: the library knows only this
  std::jmp_buf back{};
};

[[noreturn]] void leave(j_common_ptr info) { std::longjmp(reinterpret_cast<jpeg_failure*>(info->err)->back, 1); }

/// Encodes with quality 75, Pillow's default.
llava::result<std::string> try_encode_jpeg(const llava::image& picture) {
  jpeg_compress_struct info{};
  jpeg_failure failure;
  info.err = jpeg_std_error(&failure.manager);
  failure.manager.error_exit = leave;
  unsigned char* bytes = nullptr;
  unsigned long size = 0;
  if (setjmp(failure.back) != 0) {
    jpeg_destroy_compress(&info);
    std::free(bytes);
    return llava::error::out_of_memory();
  }
  jpeg_create_compress(&info);
  jpeg_mem_dest(&info, &bytes, &size);
  info.image_width = static_cast<JDIMENSION>(picture.width());
  info.image_height = static_cast<JDIMENSION>(picture.height());
  info.input_components = 3;
  info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&info);
  jpeg_set_quality(&info, 75, TRUE);
  jpeg_start_compress(&info, TRUE);
  while (info.next_scanline < info.image_height) {
    JSAMPROW row = const_cast<JSAMPROW>(picture.row(static_cast<int>(info.next_scanline)));
    jpeg_write_scanlines(&info, &row, 1);
  }
  jpeg_finish_compress(&info);
  jpeg_destroy_compress(&info);
  std::string file(reinterpret_cast<const char*>(bytes), size);
  std::free(bytes);
  return file;
}

// --- moderation ------------------------------------------------------------------------------------------------------

using steady = std::chrono::steady_clock;

/// Writes the text to a pipe whose other end may be slow or closed.
void write_all(int pipe, std::string_view text, steady::time_point limit) {
  while (!text.empty() && steady::now() < limit) {
    pollfd ready{pipe, POLLOUT, 0};
    if (::poll(&ready, 1, 50) <= 0) continue;
    const auto written = ::write(pipe, text.data(), text.size());
    if (written < 0 && errno != EINTR && errno != EAGAIN) return;  // it needs no more of the text to decide
    if (written > 0) text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Returns the exit status, or -1.
int wait_for(pid_t child, steady::time_point limit) {
  for (int status = 0;; std::this_thread::sleep_for(std::chrono::milliseconds(2))) {
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    if (ended == child) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if (ended < 0 && errno != EINTR) return -1;
    if (steady::now() < limit) continue;
    ::kill(-child, SIGKILL);  // the group: the shell and what it started
    limit = steady::time_point::max();
  }
}

llava::result<bool> try_moderate(const std::string& command, std::string_view text) {
  const auto failed = [] { return llava::fail(llava::errc::io, "llava: --moderate: the command failed"); };
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return failed();
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, ends[0], 0);
  ::posix_spawn_file_actions_adddup2(&actions, 2, 1);  // standard output is the server's
#ifdef __GLIBC_PREREQ
#if __GLIBC_PREREQ(2, 34)
  ::posix_spawn_file_actions_addclosefrom_np(&actions, 3);  // sockets of clients stay with the server
#endif
#endif
  ::posix_spawnattr_init(&attributes);
  sigset_t none, pipe;
  sigemptyset(&none);
  sigemptyset(&pipe);
  sigaddset(&pipe, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);  // the server waits for SIGTERM with it blocked
  ::posix_spawnattr_setsigdefault(&attributes, &pipe);
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::string shell = "sh", option = "-c", line = command;
  char* const words[] = {shell.data(), option.data(), line.data(), nullptr};
  pid_t child = 0;
  const int number = ::posix_spawn(&child, "/bin/sh", &actions, &attributes, words, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(ends[0]);
  int status = -1;
  if (number == 0) {
    const steady::time_point limit = steady::now() + std::chrono::seconds(5);
    write_all(ends[1], text, limit);
    ::close(ends[1]);
    status = wait_for(child, limit);
  } else {
    ::close(ends[1]);
  }
  if (status != 0 && status != 1) return failed();
  return status == 1;
}

}  // namespace

void add_page_options(CLI::App& command, page_options& o) {
  command.add_option("--log-folder", o.log_folder,
                     "Folder for the page's log: its answers, votes and images; default: nothing is logged");
  command.add_option("--moderate", o.moderate,
                     "Command that gets what users say as its input, and ends with 0 (answer it) or 1 (refuse it)");
  command.add_flag("--embed", o.embed, "Let other sites show the page in a frame, without its title");
}

llava::serve::page_settings page_settings_of(const page_options& o) {
  llava::serve::page_settings s;
  s.log_folder = o.log_folder;
  s.is_embedded = o.embed;
  s.decode_image = [](std::span<const std::byte> bytes) { return llava::try_decode_image(bytes); };
  s.encode_jpeg = &try_encode_jpeg;
  s.report = [](std::string_view sentence) {
    std::fprintf(stderr, "%.*s\n", static_cast<int>(sentence.size()), sentence.data());
  };
  return s;
}

llava::serve::moderator moderator_of(const page_options& o) {
  if (o.moderate.empty()) return {};
  ::signal(SIGPIPE, SIG_IGN);  // the command may end without reading
  return [command = o.moderate](std::string_view text) { return try_moderate(command, text); };
}
