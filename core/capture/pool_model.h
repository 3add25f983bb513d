// Where Python's allocator for small objects puts the next one: a model of pymalloc, kept alike by writer and reader.
//
// pymalloc cuts pools (16 KiB since CPython 3.10) into blocks of one class of sizes. A pool hands out what was freed in
// it last, and when there is nothing, the next block that was never used. Pools of a class with blocks to hand out are
// in a list, of which the first one is used; a pool that was full comes to its front when one of its blocks is freed.
// That tells 95 to 97 of 100 addresses in programs of pyperformance and in CPython's test suite, where a list of freed
// blocks for each size, as for other allocators, tells 85.
//
// The model need not be right: a wrong guess costs a byte or two. It sees what happens from the beginning of an events
// block on; that pools of CPython 3.9 are smaller, that a realloc may leave a block in a pool of another class, and
// that some of Python's requests are served by malloc, only makes it guess worse.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>

namespace memray::format {

class PoolModel {
 public:
  static constexpr std::uint64_t kLargest = 512;  // bytes, of a request
  enum Code : std::uint8_t {
    kListed = 60,  // below: the next block of the pool that so many of its class are in front of
    kInPool = 60,  // a multiple of 16 from the next block of the first pool, and in that
    kNewPool,      // the first block of a pool
    kNear,         // a multiple of 16 from the latest of the class
    kAnywhere,
  };

  static constexpr std::uint32_t class_of(std::uint64_t size) {
    return static_cast<std::uint32_t>((std::max<std::uint64_t>(size, 1) - 1) / 16);
  }
  static constexpr std::uint64_t pool_of(std::uint64_t address) { return address >> kPoolBits; }
  static constexpr std::uint64_t first_block(std::uint64_t pool) { return (pool << kPoolBits) + kPoolHeader; }

  // The next block of the first pool of a class, or 0.
  std::uint64_t next(std::uint32_t size_class) {
    std::uint32_t& first = first_[size_class];
    while (first != 0) {
      if (const std::uint64_t block = next_of(at(first)); block != 0) return block;
      unlist(at(first));
    }
    return 0;
  }
  // The same of the pool behind `others`, or 0.
  std::uint64_t next(std::uint32_t size_class, std::uint32_t others) {
    if (next(size_class) == 0) return 0;
    std::uint32_t pool = first_[size_class];
    for (; others != 0 && pool != 0; --others) pool = at(pool).behind;
    return pool == 0 ? 0 : next_of(at(pool));
  }
  // How many pools are in front of the one whose next block is at `address`; kListed: too many, or it is not.
  std::uint32_t position(std::uint32_t size_class, std::uint64_t address) const {
    if (address == 0) return kListed;  // means that there is no next block
    std::uint32_t pool = first_[size_class];
    std::uint32_t others = 0;
    for (; pool != 0 && others < kListed; ++others, pool = at(pool).behind)
      if (at(pool).number == pool_of(address)) return next_of(at(pool)) == address ? others : std::uint32_t{kListed};
    return kListed;
  }
  std::uint64_t latest(std::uint32_t size_class) const { return latest_[size_class]; }

  void allocation(std::uint32_t size_class, std::uint64_t address) {
    Pool& pool = pool_at(address, size_class);
    const std::uint16_t block = block_of(address);
    if (pool.freed == block) {
      pool.freed = pool.older[block - 1];
    } else if (!take(pool, block)) {
      pool.unused = static_cast<std::uint16_t>(block + size_class + 1);
    }
    if (first_[size_class] != index_of(pool)) {
      unlist(pool);
      list(pool);
    }
    latest_[size_class] = address;
  }
  void deallocation(std::uint32_t size_class, std::uint64_t address) {
    Pool& pool = pool_at(address, size_class);
    const std::uint16_t block = block_of(address);
    pool.older[block - 1] = pool.freed;
    pool.freed = block;
    if (!pool.listed) list(pool);
  }

  void clear() {
    ++epoch_;
    first_ = {};
    latest_ = {};
  }

 private:
  static constexpr unsigned kPoolBits = 14;
  static constexpr std::uint64_t kPoolHeader = 48;
  static constexpr std::uint32_t kBlocks = 1u << (kPoolBits - 4);
  static constexpr std::uint32_t kClasses = kLargest / 16;
  static constexpr unsigned kSlotBits = 12;  // of pools that are remembered

  // Blocks are told by where they begin, in units of 16 bytes, plus 1; 0: none.
  struct Pool {
    std::uint64_t number;
    std::uint64_t epoch;          // another one than the model's: there is no such pool
    std::uint32_t ahead, behind;  // in the list of the class
    std::uint16_t size_class;
    std::uint16_t freed;   // last
    std::uint16_t unused;  // behind the latest block that was not among the freed
    bool listed;
    std::uint16_t older[kBlocks];  // than a freed block
  };

  static std::uint16_t block_of(std::uint64_t address) {
    return static_cast<std::uint16_t>((address >> 4) % kBlocks + 1);
  }
  static std::uint64_t next_of(const Pool& pool) {
    std::uint32_t block = pool.freed;
    if (block == 0 && pool.unused + pool.size_class <= kBlocks) block = pool.unused;
    return block == 0 ? 0 : (pool.number << kPoolBits) + (std::uint64_t{block} - 1) * 16;
  }

  Pool& at(std::uint32_t index) { return pools_[index - 1]; }
  const Pool& at(std::uint32_t index) const { return pools_[index - 1]; }
  std::uint32_t index_of(const Pool& pool) const { return static_cast<std::uint32_t>(&pool - pools_.get()) + 1; }

  // The pool that `address` is in, as one of this class.
  Pool& pool_at(std::uint64_t address, std::uint32_t size_class) {
    const std::uint64_t number = pool_of(address);
    if (!pools_) [[unlikely]]
      pools_.reset(make_pools());
    Pool& pool = pools_[(number * 0x9e37'79b9'7f4a'7c15u) >> (64 - kSlotBits)];
    if (pool.number == number && pool.epoch == epoch_ && pool.size_class == size_class) [[likely]]
      return pool;
    if (pool.epoch == epoch_) unlist(pool);
    pool.number = number;
    pool.epoch = epoch_;
    pool.size_class = static_cast<std::uint16_t>(size_class);
    pool.freed = pool.unused = 0;
    pool.listed = false;
    return pool;
  }

  // Takes `block` out of those that were freed. False: it is not among the latest.
  static bool take(Pool& pool, std::uint16_t block) {
    constexpr std::uint32_t kMost = 256;
    std::uint16_t* link = &pool.freed;
    for (std::uint32_t i = 0; i < kMost && *link != 0; ++i) {
      std::uint16_t& older = pool.older[*link - 1];
      if (*link == block) {
        *link = older;
        return true;
      }
      link = &older;
    }
    return false;
  }

  void list(Pool& pool) {
    std::uint32_t& first = first_[pool.size_class];
    pool.ahead = 0;
    pool.behind = first;
    if (first != 0) at(first).ahead = index_of(pool);
    first = index_of(pool);
    pool.listed = true;
  }
  void unlist(Pool& pool) {
    if (!pool.listed) return;
    (pool.ahead != 0 ? at(pool.ahead).behind : first_[pool.size_class]) = pool.behind;
    if (pool.behind != 0) at(pool.behind).ahead = pool.ahead;
    pool.listed = false;
  }

  struct Free {
    void operator()(Pool* pools) const { std::free(pools); }
  };
  // Zeroed by the kernel, as most are never looked at.
  static Pool* make_pools() {
    if (void* const memory = std::calloc(std::size_t{1} << kSlotBits, sizeof(Pool))) return static_cast<Pool*>(memory);
    throw std::bad_alloc();
  }

  std::unique_ptr<Pool[], Free> pools_;  // from the first event on
  std::uint64_t epoch_ = 1;
  std::array<std::uint32_t, kClasses> first_{};   // pool of each class
  std::array<std::uint64_t, kClasses> latest_{};  // address of each class
};

}  // namespace memray::format
