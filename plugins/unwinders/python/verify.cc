// Offsets from tables and from other people's builds deserve distrust. Before the first stack is recorded, while the
// interpreter has nothing else to do, it runs a function that calls back; there, the chain that we read is compared
// with what the public API says about the same frames. Everything made for it is gone afterwards.
#include "verify.h"

#include "code.h"
#include "frame.h"

#include <string_view>

namespace memray::python {

namespace {

constexpr char kFile[] = "<string>";
constexpr char kProgram[] =
    "def run(self):\n"
    "    return self()\n"
    "run(self)\n";
constexpr int kFileInput = 257;  // Py_file_input

const Runtime* under_test = nullptr;
bool fits = false;

// A reference that is dropped at the end of its scope.
class Reference {
 public:
  Reference(const Api& api, Object* object) : api_(api), object_(object) {}
  ~Reference() {
    if (object_) api_.decrement(object_);
  }
  Reference(const Reference&) = delete;
  Reference& operator=(const Reference&) = delete;
  Object* get() const { return object_; }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  const Api& api_;
  Object* object_;
};

// The next frame that Python code would see, from `frame` towards the root.
std::uintptr_t first_running(const Layout& layout, std::uintptr_t frame, FrameView& view) {
  for (int i = 0; frame != 0 && i < 8; ++i, frame = previous(layout, frame)) {
    view = look(layout, frame);
    if (view.state == FrameState::running) return frame;
  }
  return 0;
}

bool equals(const Runtime& runtime, const FrameView& view, Object* frame, std::string_view name) {
  const Api& api = runtime.api;
  const Reference code(api, api.code_of_frame(frame));
  const Reference last_instruction(api, api.attribute(frame, "f_lasti"));
  if (!code || !last_instruction) return false;
  if (view.code != reinterpret_cast<std::uintptr_t>(code.get())) return false;
  const Reference first_line(api, api.attribute(code.get(), "co_firstlineno"));
  if (!first_line || view.offset != static_cast<std::uint32_t>(api.to_long(last_instruction.get()))) return false;
  memray_code read;
  if (!read_code(runtime, view.code, {}, read)) return false;
  return std::string_view(read.name, read.name_size) == name && std::string_view(read.file, read.file_size) == kFile &&
         read.line_table_kind != MEMRAY_LINES_NONE &&
         read.first_line == static_cast<std::uint32_t>(api.to_long(first_line.get()));
}

bool compare(const Runtime& runtime) {
  const Api& api = runtime.api;
  FrameView view;
  const std::uintptr_t frame = first_running(runtime.layout, top_frame(runtime), view);
  Object* current = api.current_frame();
  if (!frame || !current || !equals(runtime, view, current, "run")) return false;
  const Reference caller(api, api.attribute(current, "f_back"));
  return caller && first_running(runtime.layout, previous(runtime.layout, frame), view) &&
         equals(runtime, view, caller.get(), "<module>");
}

Object* called_back(Object*, Object*) {
  fits = compare(*under_test);
  under_test->api.clear_error();
  auto* none = reinterpret_cast<Object*>(under_test->none.address);
  under_test->api.increment(none);
  return none;
}

MethodDefinition callback = {"self", called_back, kNoArguments, nullptr};

}  // namespace

bool layout_fits(const Runtime& runtime) {
  const Api& api = runtime.api;
  under_test = &runtime;
  fits = false;
  const Reference globals(api, api.new_dict());
  const Reference function(api, api.new_function(&callback, nullptr, nullptr));
  const Reference code(api, api.compile(kProgram, kFile, kFileInput));
  if (globals && function && code && api.set_item(globals.get(), "self", function.get()) == 0) {
    const Reference result(api, api.evaluate(code.get(), globals.get(), globals.get()));
  }
  api.clear_error();
  return fits;
}

}  // namespace memray::python
