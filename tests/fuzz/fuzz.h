/* What the fuzz targets share. Each target is one function that takes bytes from anywhere; it must
 * refuse them with a message, or keep the promises of the header it calls. With clang's libFuzzer
 * (CW_FUZZ) inputs are led by coverage; else driver.c makes them, with the same arguments. */
#ifndef CW_TESTS_FUZZ_H
#define CW_TESTS_FUZZ_H

#include <curlew/status.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

/* Ends the process with the place of the broken promise. */
#define REQUIRE(holds) fuzz_require(holds, #holds, __FILE__, __LINE__)
void fuzz_require(int holds, const char *what, const char *file, int line);

/* The failure has a message of one line. */
void fuzz_require_message(cw_status status);

/* True for about one input in `of`, always the same ones: for what takes long, as files do. */
bool fuzz_one_in(uint32_t of, const uint8_t *bytes, size_t n);

/* Path of a name in a folder of this process in memory (/dev/shm), removed at its end. Static, two
 * of them in turn. */
const char *fuzz_path(const char *name);
void fuzz_put(const char *path, const void *bytes, size_t n);

/* The bytes as changes to `file` (n_file bytes): two bytes of place, one of length, so many bytes;
 * again until the input ends. Finds its way into large files from small inputs. */
void fuzz_patch(uint8_t *file, size_t n_file, const uint8_t *bytes, size_t n);

#endif
