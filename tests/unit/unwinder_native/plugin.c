// A library that is loaded and unloaded. Two are made of this, of the same layout but for the size of a frame.
#include <stdlib.h>

#ifndef FRAME
#define FRAME 40
#endif

void run(void (*callback)(int), int depth) {
  volatile char frame[FRAME];
  frame[0] = 1;
  free(malloc(FRAME));
  if (depth > 0) run(callback, depth - 1);
  callback(depth);
  frame[1] = frame[0];
}
