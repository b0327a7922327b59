// SPDX-License-Identifier: Apache-2.0
/// hub_store: a repository in the Hugging Face cache, in the layout of the hub's own library, which may use it at the
/// same time:
///
///   models--org--name/blobs/HASH               a file's bytes; HASH.incomplete while they arrive
///   models--org--name/snapshots/COMMIT/FILE    a relative link to its blob
///   models--org--name/refs/main                the commit
///   .locks/models--org--name/HASH.lock         held by the one process that fetches the blob
#pragma once
#include <llava/base/error.hpp>
#include <llava/base/function_ref.hpp>

#include <cstdint>
#include <string>
#include <string_view>

#include "hub_client.hpp"

class hub_store {
 public:
  /// Makes the folders. `name`: "org/name".
  static llava::result<hub_store> try_open(const std::string& name);

  /// Whether all bytes of the file are here.
  bool has(const hub_file& file) const;
  /// Bytes of the file that an interrupted fetch has left, or all.
  std::uint64_t bytes_here(const hub_file& file) const;
  /// Errors: the disk has less than `bytes` free.
  llava::result<void> try_find_room(std::uint64_t bytes) const;

  /// Fetches a file, from where an earlier fetch has ended, and compares its size and hash. What has arrived is kept
  /// when this fails; a file with other bytes than announced is removed. `report` gets the bytes so far; if it returns
  /// false, the fetch is cancelled.
  llava::result<void> try_fetch(const hub_client& hub, const std::string& commit, const hub_file& file,
                                llava::function_ref<bool(std::uint64_t)> report);
  /// Makes snapshots/COMMIT/FILE.
  llava::result<void> try_link(const std::string& commit, const hub_file& file) const;
  /// Makes refs/REVISION, after all files are here.
  llava::result<void> try_set_revision(const std::string& revision, const std::string& commit) const;

  std::string snapshot(const std::string& commit) const { return folder_ + "/snapshots/" + commit; }

 private:
  class lock;
  class partial_file;
  std::string blob(const hub_file& file) const { return folder_ + "/blobs/" + file.hash; }

  std::string name_, folder_, locks_;
};
