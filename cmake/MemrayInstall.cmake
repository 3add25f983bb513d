# The core library and the SDK. Everything else installs itself where it is defined, each in a component of its own:
# cli, recorder, and one a plugin (hooks-preload, sink-file, reporter-stats, ...).
include(CMakePackageConfigHelpers)

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/memray)

set_target_properties(memray-core PROPERTIES EXPORT_NAME sdk)
set_target_properties(memray-sdk-headers PROPERTIES EXPORT_NAME headers)
set_target_properties(memray-in-target PROPERTIES EXPORT_NAME in-target)
install(TARGETS memray-core memray-sdk-headers memray-in-target EXPORT memray-targets
  LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT core NAMELINK_COMPONENT sdk)
install(EXPORT memray-targets NAMESPACE memray:: DESTINATION ${package} COMPONENT sdk)

install(DIRECTORY ${PROJECT_SOURCE_DIR}/core/include/memray DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT sdk
  FILES_MATCHING PATTERN "*.h")

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/memray-config.cmake.in ${CMAKE_BINARY_DIR}/memray-config.cmake
  INSTALL_DESTINATION ${package} PATH_VARS MEMRAY_PLUGINDIR)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/memray-config-version.cmake COMPATIBILITY SameMajorVersion)
install(FILES ${CMAKE_BINARY_DIR}/memray-config.cmake ${CMAKE_BINARY_DIR}/memray-config-version.cmake
  ${CMAKE_CURRENT_LIST_DIR}/MemrayPlugin.cmake DESTINATION ${package} COMPONENT sdk)
