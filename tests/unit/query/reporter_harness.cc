#include "reporter_harness.h"

#include <dlfcn.h>

#include <cstdlib>
#include <memory>
#include <stdexcept>

namespace memray::test {
namespace {

class Defaults final : public ReporterOptions {
 public:
  explicit Defaults(FakeContext& context) : context_(context) {}
  void flag(std::string_view, char, std::string_view) override {}
  void integer(std::string_view name, char, std::int64_t value, std::int64_t, std::int64_t, std::string_view) override {
    context_.integers.try_emplace(std::string(name), value);
  }
  void text(std::string_view name, char, std::string_view value, std::string_view) override {
    context_.texts.try_emplace(std::string(name), value);
  }
  void choice(std::string_view name, char, std::vector<std::string>, std::string_view value,
              std::string_view) override {
    context_.texts.try_emplace(std::string(name), value);
  }
  void exclusive(std::vector<std::string>) override {}
  void views() override {}
  void output_file(std::string_view) override {}
  void captures(std::size_t, std::size_t) override {}

 private:
  FakeContext& context_;
};

}  // namespace

Outcome run_reporter(const std::string& name, FakeContext& context) {
  const std::string file = std::string(MEMRAY_TEST_PLUGINS) + "/memray-reporter-" + name + ".so";
  const std::unique_ptr<void, int (*)(void*)> library(dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL), dlclose);
  if (!library) throw std::runtime_error(dlerror());
  const auto* descriptor = static_cast<const memray_plugin_descriptor*>(dlsym(library.get(), "memray_plugin"));
  if (!descriptor || descriptor->name != name) throw std::runtime_error("not the plugin " + name);
  const auto* factory = static_cast<const memray_reporter_factory*>(descriptor->interface);
  const std::unique_ptr<Reporter, void (*)(Reporter*)> reporter(factory->create(), factory->destroy);

  Defaults defaults(context);
  reporter->declare(defaults);
  char* error = nullptr;
  Outcome outcome;
  outcome.code = factory->run(reporter.get(), &context, &error);
  if (error) outcome.error = error;
  std::free(error);
  return outcome;
}

}  // namespace memray::test
