# Options of the build and the warnings that every target of ours is compiled with.

option(MEMRAY_TESTS "Build the tests" ON)
option(MEMRAY_PYTHON "Build the Python package" OFF)
option(MEMRAY_WHEEL "Install what a Python wheel holds" OFF)
set(MEMRAY_SANITIZE "" CACHE STRING "Sanitizers for everything that runs outside the target: address,undefined or thread")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_C_STANDARD 11)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "" FORCE)
endif()
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_C_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()

# The build tree has the shape of an installation, so the command finds its libraries the same way in both.
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/bin)
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib)
set(MEMRAY_LIBDIR ${CMAKE_INSTALL_LIBDIR}/memray)
set(MEMRAY_PLUGINDIR ${MEMRAY_LIBDIR}/plugins)

add_library(memray-warnings INTERFACE)
target_compile_options(memray-warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wno-sign-conversion -Wnon-virtual-dtor -Wcast-align -Wimplicit-fallthrough -Werror)

# For code in memray's own processes.
add_library(memray-host-flags INTERFACE)
target_link_libraries(memray-host-flags INTERFACE memray-warnings)
if(MEMRAY_SANITIZE)
  target_compile_options(memray-host-flags INTERFACE -fsanitize=${MEMRAY_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  target_link_options(memray-host-flags INTERFACE -fsanitize=${MEMRAY_SANITIZE})
endif()

# For code that is loaded into the program being profiled: libc only, nothing exported but what is said so, TLS that
# needs no allocation, frame pointers in the wrappers. Part of the SDK.
add_library(memray-in-target INTERFACE)
target_link_libraries(memray-in-target INTERFACE gcc c gcc)
target_compile_options(memray-in-target INTERFACE
  -O2 -fvisibility=hidden -fno-omit-frame-pointer -fno-exceptions -fno-stack-protector -fno-plt
  -ftls-model=initial-exec $<$<COMPILE_LANGUAGE:CXX>:-fno-rtti -fno-threadsafe-statics -fvisibility-inlines-hidden>)
target_link_options(memray-in-target INTERFACE
  -nodefaultlibs -static-libgcc -Wl,-z,now -Wl,-z,relro -Wl,-Bsymbolic -Wl,--no-undefined -Wl,--gc-sections)
add_library(memray::in-target ALIAS memray-in-target)

add_library(memray-target-flags INTERFACE)
target_link_libraries(memray-target-flags INTERFACE memray-warnings memray-in-target)
