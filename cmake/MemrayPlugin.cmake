# memray_add_plugin(KIND NAME SOURCES...): the shared object memray-KIND-NAME.so, target memray-KIND-NAME.
#
# KIND is hooks, unwinder, sink or reporter. The first two are loaded into the program being profiled and are built for
# that: libc only. The others run in memray's processes and are linked with memray::sdk. memray builds its own plugins
# with this very function; what is only for those is in memray_own_plugin.
function(memray_add_plugin kind name)
  set(target memray-${kind}-${name})
  add_library(${target} MODULE ${ARGN})
  set_target_properties(${target} PROPERTIES
    PREFIX "" C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(${target} PRIVATE cxx_std_20)
  if(kind STREQUAL "hooks" OR kind STREQUAL "unwinder")
    target_link_libraries(${target} PRIVATE memray::in-target memray::headers)
  elseif(kind STREQUAL "sink" OR kind STREQUAL "reporter")
    target_link_libraries(${target} PRIVATE memray::sdk)
  else()
    message(FATAL_ERROR "memray_add_plugin: '${kind}' is not hooks, unwinder, sink or reporter")
  endif()
  if(COMMAND memray_own_plugin)
    memray_own_plugin(${target} ${kind} ${name})
  endif()
endfunction()
