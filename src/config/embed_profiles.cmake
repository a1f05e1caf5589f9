# cmake -DNAMES="a b" -DFOLDER=... -DOUT=... -P embed_profiles.cmake
# Writes OUT, a C file with the bytes of FOLDER/a.ini, FOLDER/b.ini, ... (see profile.h).
separate_arguments(NAMES)
set(arrays "")
set(names "")
set(texts "")
set(sizes "")
foreach(name ${NAMES})
  file(READ ${FOLDER}/${name}.ini hex HEX)
  string(REGEX REPLACE "(................................)" "\\1\n    " hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(APPEND arrays "static const char ini_${name}[] = {\n    ${bytes}0};\n")
  string(APPEND names "\"${name}\", ")
  string(APPEND texts "ini_${name}, ")
  string(APPEND sizes "sizeof ini_${name} - 1, ")
endforeach()
file(WRITE ${OUT} "/* Written by embed_profiles.cmake. */
#include \"config/profile.h\"

${arrays}
const char *const cw_profile_name_table[] = {${names}NULL};
const char *const cw_profile_text_table[] = {${texts}NULL};
const size_t cw_profile_bytes_table[] = {${sizes}0};
")
