#include "query/packages.h"

#include <catch2/catch.hpp>

#include "recording.h"

namespace memray::test {

TEST_CASE("packages are told from the shape of paths") {
  const PackageRules rules{Metadata{}};
  REQUIRE(rules.package_of("/usr/lib/python3.11/site-packages/numpy/core/fromnumeric.py") == "numpy");
  REQUIRE(rules.package_of("/usr/lib/python3/dist-packages/six.py") == "six");
  REQUIRE(rules.package_of("/venv/lib64/python3.13/site-packages/_cffi.cpython-313.so") == "_cffi");
  REQUIRE(rules.package_of("/usr/lib/python3.11/json/decoder.py") == std::nullopt);
  REQUIRE(rules.package_of("<frozen importlib._bootstrap>") == std::nullopt);
  REQUIRE(rules.package_of("") == std::nullopt);
  REQUIRE(rules.package_of("/home/me/tool/run.py") == "run.py");
  REQUIRE(rules.package_of("run.py") == "run.py");
}

TEST_CASE("folders that the capture names come first") {
  Metadata metadata;
  metadata.extra = {{"python_stdlib", "/opt/py/stdlib/"},
                    {"python_site_packages", "/opt/py/stdlib/extra:/opt/more"},
                    {"python_sys_path", "/home/me/tool:/home/me"}};
  const PackageRules rules{metadata};
  REQUIRE(rules.package_of("/opt/py/stdlib/json/decoder.py") == std::nullopt);
  REQUIRE(rules.package_of("/opt/py/stdlib/extra/lxml/etree.py") == "lxml");
  REQUIRE(rules.package_of("/opt/more/attr.py") == "attr");
  REQUIRE(rules.package_of("/opt/moreover/attr.py") == "attr.py");
  REQUIRE(rules.package_of("/home/me/tool/shop/cart.py") == "shop");
  REQUIRE(rules.package_of("/home/me/other.py") == "other");
}

TEST_CASE("a stack belongs to its innermost package") {
  Recording recording;
  const StackId script = recording.stack({{"<module>", "/app/run.py"}});
  const StackId numpy = recording.stack({{"<module>", "/app/run.py"},
                                         {"dot", "/lib/python3.11/site-packages/numpy/x.py"},
                                         {"f", "/lib/python3.11/re.py"}});
  const StackId stdlib = recording.stack({{"bootstrap", "/lib/python3.11/threading.py"}});
  const StackId memray_only = recording.stack({{"run", "/lib/python3.11/site-packages/memray/run.py"}});
  for (const StackId stack : {script, numpy, stdlib, memray_only})
    recording.allocate(std::uint64_t{16} * index(stack), 8, stack);
  const Capture capture = recording.finish();
  const PackageOfStacks packages = packages_of_stacks(capture);
  const auto package = [&](StackId stack) { return packages.names[packages.of_stack[index(stack)]]; };
  REQUIRE(package(script) == "run.py");
  REQUIRE(package(numpy) == "numpy");
  REQUIRE(package(stdlib) == "<root>");
  REQUIRE(package(memray_only) == "<root>");
  REQUIRE(package(kNoStack) == "<root>");
}

}  // namespace memray::test
