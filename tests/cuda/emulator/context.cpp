// SPDX-License-Identifier: Apache-2.0
#include "context.hpp"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

// llava_emulator_switch(save, load): stores the callee-saved registers on the stack and the stack pointer in *save,
// then continues where `load` was stored.
#if defined(__x86_64__)
extern "C" void llava_emulator_switch(void** save, void* load);
asm(R"(
.text
.globl llava_emulator_switch
.type llava_emulator_switch,@function
llava_emulator_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp,(%rdi)
  movq %rsi,%rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  retq
.size llava_emulator_switch,.-llava_emulator_switch
)");
#elif defined(__aarch64__)
extern "C" void llava_emulator_switch(void** save, void* load);
asm(R"(
.text
.globl llava_emulator_switch
.type llava_emulator_switch,%function
llava_emulator_switch:
  stp x19,x20,[sp,#-160]!
  stp x21,x22,[sp,#16]
  stp x23,x24,[sp,#32]
  stp x25,x26,[sp,#48]
  stp x27,x28,[sp,#64]
  stp x29,x30,[sp,#80]
  stp d8,d9,[sp,#96]
  stp d10,d11,[sp,#112]
  stp d12,d13,[sp,#128]
  stp d14,d15,[sp,#144]
  mov x9,sp
  str x9,[x0]
  mov sp,x1
  ldp x21,x22,[sp,#16]
  ldp x23,x24,[sp,#32]
  ldp x25,x26,[sp,#48]
  ldp x27,x28,[sp,#64]
  ldp x29,x30,[sp,#80]
  ldp d8,d9,[sp,#96]
  ldp d10,d11,[sp,#112]
  ldp d12,d13,[sp,#128]
  ldp d14,d15,[sp,#144]
  ldp x19,x20,[sp],#160
  ret
.size llava_emulator_switch,.-llava_emulator_switch
)");
#endif

namespace llava::emulator {
namespace {

void switch_to(context& from, context& to) {
#if defined(__x86_64__) || defined(__aarch64__)
  llava_emulator_switch(&from.stack_pointer, to.stack_pointer);
#else
  swapcontext(&from.registers, &to.registers);
#endif
}

}  // namespace

void prepare(context& c, std::byte* stack, std::size_t bytes, void (*body)()) {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(stack, bytes);  // frames of a body that was abandoned
#endif
  c.stack = stack;
  c.stack_bytes = bytes;
  c.fake_stack = nullptr;
#if defined(__x86_64__) || defined(__aarch64__)
  auto* top = reinterpret_cast<void**>(reinterpret_cast<std::uintptr_t>(stack + bytes) & ~std::uintptr_t{63});
  const auto code = reinterpret_cast<void*>(body);
#if defined(__x86_64__)
  top -= 8;  // six registers, the address of the body, and the end of the chain of callers
  std::memset(static_cast<void*>(top), 0, 8 * sizeof(void*));
  top[6] = code;
#else
  top -= 20;
  std::memset(static_cast<void*>(top), 0, 20 * sizeof(void*));
  top[11] = code;  // x30
#endif
  c.stack_pointer = top;
#else
  getcontext(&c.registers);
  c.registers.uc_stack.ss_sp = stack;
  c.registers.uc_stack.ss_size = bytes;
  c.registers.uc_link = nullptr;
  makecontext(&c.registers, body, 0);
#endif
}

void enter(context& from, context& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(&from.fake_stack, to.stack, to.stack_bytes);
#endif
  switch_to(from, to);
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(from.fake_stack, nullptr, nullptr);
#endif
}

void entered([[maybe_unused]] context& from) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_finish_switch_fiber(nullptr, &from.stack, &from.stack_bytes);
#endif
}

void leave(context& from, context& to) {
#if defined(__SANITIZE_ADDRESS__)
  __sanitizer_start_switch_fiber(nullptr, to.stack, to.stack_bytes);
#endif
  switch_to(from, to);
}

stacks::~stacks() {
  if (memory_ != nullptr) munmap(memory_, count_ * slot);
}

void stacks::reserve(std::size_t count) {
  if (count <= count_) return;
  if (memory_ != nullptr) munmap(memory_, count_ * slot);
  memory_ = nullptr;
  count_ = 0;
  void* const p =
      mmap(nullptr, count * slot, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) throw std::bad_alloc();
  memory_ = static_cast<std::byte*>(p);
  count_ = count;
  for (std::size_t i = 0; i < count; ++i) mprotect(memory_ + i * slot, page, PROT_NONE);
}

}  // namespace llava::emulator
