// What a reader of core's hands out in batches, item by item, for iterators.
#pragma once

#include <span>

#include "python.h"

namespace memray::python {

// Lives in zeroed memory of Python's, so whoever holds it makes `reader` and deletes it.
template <typename Reader, typename Item>
struct Pulled {
  Reader* reader;
  std::span<const Item> batch;
  std::size_t position;

  bool at_end_of_batch() const { return position == batch.size(); }

  // Null when all are read. Ctrl-C is noticed between batches.
  const Item* next() {
    if (at_end_of_batch()) {
      batch = reader->next();
      position = 0;
      if (batch.empty()) return nullptr;
      check(PyErr_CheckSignals());
    }
    return &batch[position++];
  }
};

}  // namespace memray::python
