// Records and throws everything away: what does recording itself cost?
#include <memray/sink.h>

#include <new>

namespace {

class NullSink final : public memray::Sink {
 public:
  Input input() const override { return Input::blocks; }
  memray::Status open(const memray::SinkConfig&) override { return {}; }
  std::string destination() const override { return {}; }
  memray::Status finish(const memray::Metadata&, bool) override { return {}; }
};

}  // namespace

MEMRAY_SINK(NullSink, "null", "Discards the recording", "0.1.0")
