# memray_html_page(TARGET NAMESPACE WEB): adds to TARGET a source that defines, in NAMESPACE,
#   std::string_view page_template();
# The front end is TypeScript: esbuild, from Debian's package, makes one script of WEB/src/main.ts and what it imports;
# the page is html_common's with WEB/body.html in it, the style html_common's and WEB/style.css.
find_program(ESBUILD_PROGRAM esbuild REQUIRED)
set(MEMRAY_HTML_COMMON ${CMAKE_CURRENT_LIST_DIR})

function(memray_html_page target namespace web)
  set(common ${MEMRAY_HTML_COMMON}/web)
  file(GLOB sources CONFIGURE_DEPENDS ${common}/src/*.ts ${web}/src/*.ts)
  set(script ${CMAKE_CURRENT_BINARY_DIR}/app.js)
  set(page ${CMAKE_CURRENT_BINARY_DIR}/page_template.cc)
  add_custom_command(OUTPUT ${script}
    COMMAND ${ESBUILD_PROGRAM} ${web}/src/main.ts --bundle --minify --format=iife --target=es2020 --legal-comments=none
            --log-level=warning --outfile=${script}
    DEPENDS ${sources} VERBATIM COMMENT "Bundling the front end of ${target}")
  add_custom_command(OUTPUT ${page}
    COMMAND ${CMAKE_COMMAND} -D HTML=${common}/page.html -D BODY=${web}/body.html
            -D STYLES=${common}/style.css,${web}/style.css -D SCRIPT=${script} -D NAMESPACE=${namespace} -D OUTPUT=${page}
            -P ${MEMRAY_HTML_COMMON}/assemble.cmake
    DEPENDS ${script} ${common}/page.html ${web}/body.html ${common}/style.css ${web}/style.css
            ${MEMRAY_HTML_COMMON}/assemble.cmake
    VERBATIM COMMENT "Assembling the page of ${target}")
  target_sources(${target} PRIVATE ${page})
endfunction()
