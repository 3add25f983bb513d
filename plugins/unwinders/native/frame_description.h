// What a compiler wrote down about the frames of one function.
#pragma once

#include "memory.h"

#include <cstdint>

namespace memray::native {

struct Program {
  const std::uint8_t* begin;
  const std::uint8_t* end;
};

struct FrameDescription {
  Word begin = 0, end = 0;  // the code that it covers
  Program common = {};      // instructions of all functions that share a CIE
  Program own = {};
  std::uint64_t code_alignment = 1;
  std::int64_t data_alignment = 1;
  std::uint32_t return_address_register = 0;
  std::uint8_t pointer_encoding = 0;
  bool signal_frame = false;  // its caller was interrupted, and did not call
};

// Looks `pc` up in an object's .eh_frame_hdr. False: nothing covers it, or it is written in a way that we do not know.
bool find_frame_description(const std::uint8_t* header, Word pc, FrameDescription& found);

}  // namespace memray::native
