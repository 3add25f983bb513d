# HTML + BODY + STYLES + SCRIPT -> OUTPUT, a C++ file with the page as one text. The page names its own style and script by
# hash in its Content-Security-Policy.

cmake_minimum_required(VERSION 3.25)

# OUT = base64 of the SHA-256 of CONTENT, as Content-Security-Policy wants it.
function(sha256_base64 out content)
  set(alphabet ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/)
  string(SHA256 hex "${content}")
  set(base64 "")
  foreach(i RANGE 0 60 6)  # three bytes at a time; the last two are a group of their own
    string(SUBSTRING "${hex}0000" ${i} 6 digits)
    foreach(shift 18 12 6 0)
      math(EXPR at "(0x${digits} >> ${shift}) & 63")
      string(SUBSTRING ${alphabet} ${at} 1 letter)
      string(APPEND base64 ${letter})
    endforeach()
  endforeach()
  string(SUBSTRING ${base64} 0 43 base64)
  set(${out} "${base64}=" PARENT_SCOPE)
endfunction()

file(READ ${HTML} html)
file(READ ${BODY} body)
string(REPLACE "@BODY@" "${body}" html "${html}")
string(REPLACE "," ";" styles ${STYLES})
set(style "")
foreach(file ${styles})
  file(READ ${file} part)
  string(APPEND style "${part}")
endforeach()
file(READ ${SCRIPT} script)
sha256_base64(style_hash "${style}")
sha256_base64(script_hash "${script}")
string(REPLACE "@STYLE_HASH@" "${style_hash}" html "${html}")
string(REPLACE "@SCRIPT_HASH@" "${script_hash}" html "${html}")
string(REPLACE "@STYLE@" "${style}" html "${html}")
string(REPLACE "@SCRIPT@" "${script}" html "${html}")

file(WRITE ${OUTPUT} "#include <string_view>

namespace ${NAMESPACE} {

std::string_view page_template();
std::string_view page_template() {
  static constexpr char kPage[] = R\"~memray~(${html})~memray~\";
  return {kPage, sizeof kPage - 1};
}

}  // namespace ${NAMESPACE}
")
