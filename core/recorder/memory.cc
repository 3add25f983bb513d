// What memray needs in the program, so that it can be told apart from what the program needs. The collector subtracts
// it from what the kernel says of the process.
#include "process.h"
#include "syscalls.h"

namespace memray::recorder {

namespace {

using session::OwnMemory;

bool note_piece(OwnMemory& own, std::uint64_t address, std::uint64_t bytes) {
  for (OwnMemory::Piece& piece : own.piece) {
    std::uint64_t free = 0;
    if (!piece.bytes.compare_exchange_strong(free, 1, std::memory_order_relaxed)) continue;
    piece.address.store(address, std::memory_order_relaxed);
    piece.bytes.store(bytes, std::memory_order_release);
    return true;
  }
  return false;
}

bool forget_piece(OwnMemory& own, std::uint64_t address) {
  for (OwnMemory::Piece& piece : own.piece) {
    if (piece.bytes.load(std::memory_order_relaxed) <= 1 || piece.address.load(std::memory_order_relaxed) != address)
      continue;
    piece.bytes.store(0, std::memory_order_release);
    return true;
  }
  return false;
}

// Taken and not returned, in whatever session. A forked child has the same.
OwnMemory taken;

void note(OwnMemory& own, void* address, std::size_t bytes) {
  if (bytes < OwnMemory::kSmall || !note_piece(own, reinterpret_cast<std::uintptr_t>(address), bytes))
    own.small.fetch_add(bytes, std::memory_order_relaxed);
}

void forget(OwnMemory& own, void* address, std::size_t bytes) {
  if (bytes < OwnMemory::kSmall || !forget_piece(own, reinterpret_cast<std::uintptr_t>(address)))
    own.small.fetch_sub(bytes, std::memory_order_relaxed);
}

}  // namespace

void* take_memory(std::size_t bytes) {
  void* const memory = sys::map(bytes);
  if (!memory) return nullptr;
  note(taken, memory, bytes);
  if (process.session && process.image) note(process.image->own, memory, bytes);
  return memory;
}

void return_memory(void* address, std::size_t bytes) {
  forget(taken, address, bytes);
  if (process.session && process.image) forget(process.image->own, address, bytes);
  sys::unmap(address, bytes);
}

void tell_memory() {
  OwnMemory& own = process.image->own;
  own.small.store(taken.small.load(std::memory_order_relaxed), std::memory_order_relaxed);
  for (const OwnMemory::Piece& piece : taken.piece) {
    const std::uint64_t bytes = piece.bytes.load(std::memory_order_acquire);
    if (bytes > 1) note_piece(own, piece.address.load(std::memory_order_relaxed), bytes);
  }
}

}  // namespace memray::recorder
