/* The instructions of Intel's matrix units. `r`, `c`, `a` and `b` are numbers of tile registers,
 * `step` the bytes from row to row. */
#ifndef CW_BACKEND_ONEDNN_AMX_TILES_H
#define CW_BACKEND_ONEDNN_AMX_TILES_H

#include <immintrin.h>

#define tile_configure(config)   _tile_loadconfig(config)
#define tile_release()           _tile_release()
#define tile_zero(r)             _tile_zero(r)
#define tile_load(r, from, step) _tile_loadd(r, from, step)
#define tile_store(r, to, step)  _tile_stored(r, to, step)
#define tile_dot_bf16(c, a, b)   _tile_dpbf16ps(c, a, b)

#endif
