#include "quiet.h"

#include <unwind.h>

namespace memray::hooks {

State state;

extern "C" [[gnu::used]] __attribute__((visibility("hidden"))) _Unwind_Reason_Code memray_leave_operator(
    int, _Unwind_Action actions, _Unwind_Exception_Class, _Unwind_Exception*, _Unwind_Context*) {
  if ((actions & _UA_CLEANUP_PHASE) != 0) *memray_inside(state.recorder) = 0;
  return _URC_CONTINUE_UNWIND;
}

}  // namespace memray::hooks
