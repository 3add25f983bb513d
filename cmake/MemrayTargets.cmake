include(MemrayPlugin)

# What memray_add_plugin does besides for the plugins that come with memray: warnings, a place in the build tree that has
# the shape of an installation, and an install component of its own.
function(memray_own_plugin target kind name)
  set_target_properties(${target} PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/lib/memray/plugins)
  if(kind STREQUAL "hooks" OR kind STREQUAL "unwinder")
    target_link_libraries(${target} PRIVATE memray-target-flags)
  else()
    target_link_libraries(${target} PRIVATE memray-host-flags fmt::fmt)
    set_target_properties(${target} PROPERTIES INSTALL_RPATH "$ORIGIN/../..")
  endif()
  install(TARGETS ${target} LIBRARY DESTINATION ${MEMRAY_PLUGINDIR} COMPONENT ${kind}-${name})
endfunction()

# Every folder directly below DIRS that has a CMakeLists.txt.
function(memray_add_subdirectories)
  foreach(dir ${ARGN})
    file(GLOB children CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${dir}/*/CMakeLists.txt)
    foreach(child ${children})
      get_filename_component(folder ${child} DIRECTORY)
      add_subdirectory(${folder})
    endforeach()
  endforeach()
endfunction()
