// The terminal: draws a TreeView and turns keys and mouse into moves.
#pragma once

#include "call_tree.h"

#include <string>

namespace memray::tree {

struct Heading {
  std::string title;    // what the tree is of: "Peak memory"
  std::string command;  // of the recorded program
};

// Runs until the user quits. Standard input and output must be terminals.
void browse(const CallTree& tree, const Heading& heading);

}  // namespace memray::tree
