// The reporter side of the plugin boundary: whatever a report throws ends here and crosses as plain text.
#include <memray/reporter.h>

#include <cstdlib>
#include <cstring>

namespace memray::detail {

static int failed(char** error, std::string_view prefix, const char* text, int code = 1) noexcept {
  const std::size_t length = std::strlen(text);
  auto* message = static_cast<char*>(std::malloc(prefix.size() + length + 1));
  if (message) {
    std::memcpy(message, prefix.data(), prefix.size());
    std::memcpy(message + prefix.size(), text, length + 1);
  }
  *error = message;
  return code;
}

template <typename Action>
static int guarded(char** error, const Action& action) noexcept {
  *error = nullptr;
  try {
    return action();
  } catch (const ReportUsageError& e) {
    return failed(error, "", e.what(), 2);
  } catch (const ReportError& e) {
    return failed(error, "", e.what());
  } catch (const CaptureError& e) {
    return failed(error, "", e.what());
  } catch (const std::bad_alloc&) {
    return failed(error, "", "not enough memory for this report");
  } catch (const std::exception& e) {
    return failed(error, "unexpected error: ", e.what());
  } catch (...) {
    return failed(error, "", "unexpected error of an unknown type");
  }
}

int run_reporter(Reporter& reporter, ReportContext& context, char** error) noexcept {
  return guarded(error, [&] { return reporter.run(context); });
}

int follow_with(Reporter& reporter, const LiveReport& report, bool html, LivePage& page, char** error) noexcept {
  return guarded(error, [&] {
    page = reporter.live(report, html);
    return 0;
  });
}

}  // namespace memray::detail
