// The memory that recorder and collector share.
//
// A session is one memfd, made by the collector and mapped by the program being profiled. It begins with a Control page
// group and goes on with a pool of chunks. A thread that records leases a chunk, appends items to it and publishes each
// with one release store of `committed`; when the chunk is full it leases another. The collector visits all leased
// chunks at every tick, reads what is committed, and gives chunks that are full and read back to the pool. Nobody holds
// a lock, nobody makes a system call to pass a record on, and whatever was committed survives the death of the program.
//
// What repeats is counted in place: a thread whose latest two items were the beginning and the end of a small block,
// and that does the same again, at the same place and stamped alike, raises `repeats` of its chunk. Once it does
// something else it writes down how often, and clears `repeats` with the store that commits that.
//
// Pages are reused in last-in-first-out order, so that a program keeps writing to memory that its cache already holds.
//
// Items are sequences of 64-bit words. The low byte of the first word says what the item is. Stamps are ticks of the
// session's clock since Control::start_stamp. Blocks, which are nearly all there is, are stamped with the latest stamp
// item of their thread, and take a word each unless they are large or in an unusual place; other items with a time have
// their stamp in the other 56 bits of their first word.
//
//   stamp             kStamp                 [stamp]
//   allocation        kAllocation   | kind            size (12 bits), address / 16 (44)
//   the same          kLongAllocation | kind          size (56)   address
//   deallocation      kDeallocation | kind            address (56)
//   repeats           kRepeats                        how many items followed (56 bits), in turn like the two before
//   mapping           kMapping               [stamp]  address  length  flags | fd << 32, or kRemapped
//   unmapping         kUnmapping             [stamp]  address  length
//   object made       kObjectCreated         [stamp]  address  type
//   object destroyed  kObjectDestroyed       [stamp]  address
//   exec, exec failed kExec, kExecFailed     [stamp]
//   start, stop       kStart, kStop          [stamp]           a start with a stack: by the program itself, there
//   stack change      kStack                 stack kind (8 bits), keep (24), count (24)   then `count` frame words
//
// A stack change holds for the items of its thread that follow. Definitions (code objects, texts for the metadata,
// names of threads, warnings) come in a chunk chain of their own, one for each process image, written under a lock of
// that process:
//
//   definition part   kDefinition            last part (8 bits), bytes (32)               then bytes, padded to words
//
// The parts of one definition joined are: kind (8 bytes), then fields, see recorder/definitions.cc.
//
// Why definitions are never late: a code object is committed here before its number is published in the program, so
// before any thread can commit a stack that names it. The collector first notes how far every event chunk is committed,
// then reads all definitions, then the events up to the noted places.
#pragma once

#include <linux/futex.h>
#include <pthread.h>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace memray::session {

inline constexpr std::uint64_t kMagic = 0x53534553'594d454dull;
inline constexpr std::uint32_t kRevision = 3;  // of what the words mean; where they lie is in kVersion as well

inline constexpr std::size_t kChunkBytes = 32 * 1024;
inline constexpr std::uint32_t kMaxChunks = 2048;
inline constexpr std::uint32_t kMaxImages = 4096;
inline constexpr std::size_t kTextBytes = 32 * 1024;
inline constexpr std::uint32_t kMaxPlugins = 8;
inline constexpr std::uint32_t kDeadRing = 64;
inline constexpr std::uint32_t kNoChunk = 0xffff'ffff;

// Chunks that may be out at once: these, and so many more for each thread.
inline constexpr std::uint32_t kBaseChunks = 448;
inline constexpr std::uint32_t kChunksPerThread = 4;

enum Item : std::uint8_t {
  kEnd = 0,
  kAllocation = 0x10,    // | memray_allocator
  kDeallocation = 0x20,  // | memray_allocator
  kMapping = 0x30,
  kUnmapping = 0x31,
  kExec = 0x40,
  kExecFailed = 0x41,
  kStart = 0x42,
  kStop = 0x43,
  kStack = 0x60,
  kDefinition = 0x70,
  kObjectCreated = 0x80,
  kObjectDestroyed = 0x90,
  kLongAllocation = 0xa0,  // | memray_allocator
  kRepeats = 0xc0,
  kStamp = 0xd0,
};

// In place of a mapping's flags: it is what mremap has returned.
inline constexpr std::uint64_t kRemapped = ~std::uint64_t{0};

enum class Definition : std::uint64_t {
  code = 1,      // memray_code, see recorder/definitions.cc
  metadata = 2,  // key '\0' value
  warning = 3,   // text
  modules = 4,   // all files mapped with code at some moment, see recorder/definitions.cc
  thread = 5,    // a thread's name: ThreadName, then the name's bytes
  type = 6,      // a type of Python objects: number, name
};

// Where a thread's name is from: what the kernel had when the thread began, what Python has, and what somebody told
// the kernel while recording.
enum class NameSource : std::uint32_t { inherited = 0, python = 1, system = 2 };

struct ThreadName {
  std::uint64_t stamp;
  std::uint32_t number;  // of the thread in its image; 0: the next thread to begin that has this `os_tid`
  std::uint32_t os_tid;
  NameSource source;
  std::uint32_t padding;
};

constexpr std::uint8_t family_of(std::uint64_t item) { return item & 0xf0; }

constexpr std::uint64_t stamp_item(std::uint64_t stamp) { return kStamp | stamp << 8; }

inline constexpr std::uint64_t kShortSizes = std::uint64_t{1} << 12;
constexpr bool has_short_form(std::uint64_t address, std::uint64_t size) {
  return ((address & 0xffff'0000'0000'000f) | (size & ~(kShortSizes - 1))) == 0;
}
constexpr std::uint64_t allocation_item(std::uint32_t kind, std::uint64_t address, std::uint64_t size) {
  return kAllocation | kind | size << 8 | address << 16;
}
constexpr std::uint64_t long_allocation_item(std::uint32_t kind, std::uint64_t size) {
  return kLongAllocation | kind | size << 8;
}
constexpr std::uint64_t deallocation_item(std::uint32_t kind, std::uint64_t address) {
  return kDeallocation | kind | address << 8;
}
constexpr std::uint64_t address_of_allocation(std::uint64_t item) { return item >> 20 << 4; }
constexpr std::uint64_t size_of_allocation(std::uint64_t item) { return item >> 8 & (kShortSizes - 1); }
constexpr std::uint64_t address_of_deallocation(std::uint64_t item) { return item >> 8; }

constexpr std::uint64_t stack_item(std::uint32_t kind, std::uint32_t keep, std::uint32_t count) {
  return kStack | std::uint64_t{kind} << 8 | std::uint64_t{keep} << 16 | std::uint64_t{count} << 40;
}
inline constexpr std::uint32_t kMaxStackDepth = (1u << 24) - 1;

enum class ChunkState : std::uint32_t { free = 0, open = 1, full = 2 };

struct ChunkHeader {
  std::atomic<std::uint64_t> committed;  // bytes of items, after the header; in the high half, `repeats`
  std::atomic<ChunkState> state;
  std::uint32_t image;
  std::uint32_t thread;  // number in its image, from 1; 0: definitions
  std::uint32_t os_tid;
  std::uint32_t sequence;  // in its thread, from 0
  std::uint32_t next_free;
  std::uint32_t padding[8];
};
static_assert(sizeof(ChunkHeader) == 64);
inline constexpr std::size_t kChunkCapacity = kChunkBytes - sizeof(ChunkHeader);

constexpr std::uint64_t committed_word(std::uint32_t bytes, std::uint32_t repeats) {
  return std::uint64_t{repeats} << 32 | bytes;
}
constexpr std::uint32_t committed_bytes(std::uint64_t word) { return static_cast<std::uint32_t>(word); }
constexpr std::uint32_t committed_repeats(std::uint64_t word) { return static_cast<std::uint32_t>(word >> 32); }

// Memory in the program that is memray's own, apart from this session: the larger pieces one by one, as only parts of
// them are ever touched; a slot with no bytes is free.
struct OwnMemory {
  static constexpr std::uint32_t kPieces = 64;
  static constexpr std::size_t kSmall = 64 * 1024;
  struct Piece {
    std::atomic<std::uint64_t> address;
    std::atomic<std::uint64_t> bytes;  // 1: being filled in
  };
  Piece piece[kPieces];
  std::atomic<std::uint64_t> small;  // all that is no piece
};

enum class ImageState : std::uint32_t { none = 0, attached = 1, failed = 2 };

struct Image {
  std::atomic<ImageState> state;
  std::atomic<std::uint32_t> pid;      // set last: the image may be read from then on
  std::atomic<std::uint32_t> claimed;  // set first: the pid of the process that is about to fill this in
  std::uint32_t parent_pid;
  std::uint32_t python;                // start_with_program found an interpreter
  std::uint32_t forked_from;           // image + 1 of the process that this one is a fork of; 0: it came by exec
  std::uint32_t forking_thread;        // number there of the thread that is number 1 here; 0: it recorded nothing
  std::uint64_t start_stamp;           // relative
  std::atomic<std::uint32_t> threads;  // made so far
  // Numbers of threads that the collector found dead: a ring that it fills and that new threads drain.
  std::atomic<std::uint32_t> dead_announced;
  std::atomic<std::uint32_t> dead_taken;
  std::atomic<std::uint32_t> dead[kDeadRing];
  OwnMemory own;
  char command[256];  // arguments joined by spaces, cut where there is no more room
  char why[256];      // state failed: one line
};

enum class Clock : std::uint32_t { tsc = 0, monotonic = 1 };

// What a program that records itself asks of its collector.
enum class Request : std::uint32_t { none = 0, flush = 1, reset_peak = 2, finish = 3 };

struct Control {
  std::uint64_t magic;
  std::uint32_t version;
  Clock clock;
  std::uint64_t start_stamp;
  std::uint32_t target_pid;
  std::uint32_t collector_pid;
  std::uint32_t start_with_program;
  std::uint32_t follow;                // children are recorded too
  std::uint32_t drop_on_overrun;       // an event that finds no chunk is counted and dropped, instead of waiting
  std::uint32_t track_objects;         // of Python, from creation to destruction
  std::atomic<std::uint32_t> started;  // recording has begun, in whichever process
  std::uint32_t hooks_count;
  std::uint32_t unwinders_count;
  std::uint32_t texts_used;
  std::uint32_t recorder;            // offsets into `texts`
  std::uint32_t hooks[kMaxPlugins];  // plugin files
  std::uint32_t unwinders[kMaxPlugins];
  std::uint32_t preload;           // our part of LD_PRELOAD
  std::uint32_t session_variable;  // "MEMRAY_SESSION=..."

  std::atomic<std::uint32_t> images;   // slots of `image` claimed; at least so many
  std::atomic<std::uint64_t> dropped;  // events that found no place

  // The pool: a stack of returned chunks (tag in the high half against ABA, chunk + 1 in the low half) above chunks
  // [fresh, limit) that were never used.
  alignas(64) std::atomic<std::uint64_t> free_list;
  std::atomic<std::uint32_t> fresh;
  std::atomic<std::uint32_t> limit;

  // Futex word: incremented when chunks were given back while somebody waited.
  alignas(64) std::atomic<std::uint32_t> space;
  std::atomic<std::uint32_t> waiters;
  std::atomic<std::uint32_t> waits;  // how often a thread had to wait

  // The collector holds this lock for its life; the kernel marks it when the collector dies, however it dies and
  // whichever namespaces it and the program are in.
  alignas(64) pthread_mutex_t life;
  std::uint32_t main_tid;           // the thread that started recording; 0: the first of the program
  std::uint32_t records_itself;     // the program asks for the end itself, after it has left
  std::uint32_t attached;           // memray attach has made the program join; `target_pid` is then its number here
  std::atomic<std::uint32_t> left;  // the program has taken the recorder out of its way and maps this no more

  std::atomic<std::uint32_t> ready;  // somebody takes the recording, see Sink::ready

  // Requests: the program raises `requested`, the collector raises `answered`, a futex word, when it has obeyed.
  Request request;
  std::atomic<std::uint32_t> requested;
  std::atomic<std::uint32_t> answered;
  std::uint32_t answer_is_error;
  char answer[512];
  char destination[512];  // of the recording, for those who end it

  // Counts the collector's looks at the chunks.
  alignas(64) std::atomic<std::uint32_t> tick;

  alignas(64) Image image[kMaxImages];
  char texts[kTextBytes];
};

// Recorder and collector may be of different builds: a Python package and a command, say. They refuse each other if the
// memory is laid out differently, without anybody having to remember to raise a number.
constexpr std::uint32_t layout_version() {
  std::uint64_t hash = kRevision;
  for (const std::uint64_t number :
       {sizeof(Control), sizeof(Image), sizeof(ChunkHeader), sizeof(OwnMemory), offsetof(Control, hooks),
        offsetof(Control, images), offsetof(Control, free_list), offsetof(Control, life), offsetof(Control, left),
        offsetof(Control, requested), offsetof(Control, destination), offsetof(Control, tick), offsetof(Control, image),
        offsetof(Control, texts), offsetof(Image, threads), offsetof(Image, own), offsetof(Image, command), kChunkBytes,
        std::size_t{kMaxChunks}}) {
    hash = (hash ^ number) * 0x100'0000'01b3;
  }
  return static_cast<std::uint32_t>(hash >> 32 ^ hash);
}
inline constexpr std::uint32_t kVersion = layout_version();

// Also true before the collector has locked it.
inline bool collector_lives(const Control& control) {
  const auto* word = reinterpret_cast<const std::uint32_t*>(&control.life);
  return (__atomic_load_n(word, __ATOMIC_RELAXED) & FUTEX_OWNER_DIED) == 0;
}

// Not on a page's border. A processor that looks for the store that a load has to wait for compares the lower 12 bits
// of addresses first: were `committed` at the start of a page, each look at what else is there (most of what recorder
// and plugins keep is mapped for itself) would wait for that store, which takes long, as the collector has the line.
inline constexpr std::size_t kPoolOffset = (sizeof(Control) + 4095) / 4096 * 4096 + 0x9c0;
inline constexpr std::size_t kSessionBytes = kPoolOffset + kMaxChunks * kChunkBytes;

inline ChunkHeader* chunk_at(void* session, std::uint32_t chunk) {
  return reinterpret_cast<ChunkHeader*>(static_cast<std::byte*>(session) + kPoolOffset + chunk * kChunkBytes);
}
inline std::uint64_t* chunk_words(ChunkHeader* chunk) { return reinterpret_cast<std::uint64_t*>(chunk + 1); }

inline std::uint32_t pop_chunk(void* session) {
  auto* control = static_cast<Control*>(session);
  std::uint64_t head = control->free_list.load(std::memory_order_acquire);
  while (static_cast<std::uint32_t>(head) != 0) {
    const std::uint32_t chunk = static_cast<std::uint32_t>(head) - 1;
    const std::uint64_t next = ((head >> 32) + 1) << 32 | chunk_at(session, chunk)->next_free;
    if (control->free_list.compare_exchange_weak(head, next, std::memory_order_acq_rel)) return chunk;
  }
  std::uint32_t fresh = control->fresh.load(std::memory_order_relaxed);
  while (fresh < control->limit.load(std::memory_order_relaxed)) {
    if (control->fresh.compare_exchange_weak(fresh, fresh + 1, std::memory_order_acq_rel)) return fresh;
  }
  return kNoChunk;
}

inline void push_chunk(void* session, std::uint32_t chunk) {
  auto* control = static_cast<Control*>(session);
  std::uint64_t head = control->free_list.load(std::memory_order_relaxed);
  std::uint64_t next;
  do {
    chunk_at(session, chunk)->next_free = static_cast<std::uint32_t>(head);
    next = ((head >> 32) + 1) << 32 | (chunk + 1);
  } while (!control->free_list.compare_exchange_weak(head, next, std::memory_order_acq_rel));
}

// The counter may be read ahead of instructions before it. `finish_loads` makes them complete first.
#if defined(__x86_64__)
inline void finish_loads() { __builtin_ia32_lfence(); }
inline std::uint64_t read_tsc() { return __builtin_ia32_rdtsc(); }
#elif defined(__aarch64__)
inline void finish_loads() { asm volatile("isb" ::: "memory"); }
inline std::uint64_t read_tsc() {
  std::uint64_t value;
  asm volatile("mrs %0, cntvct_el0" : "=r"(value));
  return value;
}
#else
#error "memray supports x86-64 and aarch64"
#endif

}  // namespace memray::session
