/* Drawing the toy's square: discs with smooth edges. */
#ifndef CW_ENV_TOY_TOY_DRAW_H
#define CW_ENV_TOY_TOY_DRAW_H

#include <stdint.h>

typedef struct cw_toy_disc {
    double x, y;       /* centre in the unit square, y upwards */
    double radius;     /* of the square's side */
    double inner;      /* radius of a hole, 0 for none */
    uint8_t colour[3]; /* RGB */
} cw_toy_disc;

/* Fills frame (3, size, size), planar, top row first, with the background and paints the discs on
 * it in order. A pixel on an edge gets as much of the disc's colour as the edge's distance from the
 * pixel's centre, within half a pixel, says. */
void cw_toy_draw(const cw_toy_disc *discs, int n, int size, uint8_t *frame);

#endif
