#include "env/toy/toy_draw.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static const uint8_t background[3] = {26, 32, 44};

static double clamp01(double x) {
    return x < 0.0 ? 0.0 : x > 1.0 ? 1.0 : x;
}

/* Share of a pixel that a disc covers; lengths in pixels. */
static double coverage(double distance, double radius, double inner) {
    double outside = clamp01(radius - distance + 0.5);
    return inner > 0.0 ? outside * clamp01(distance - inner + 0.5) : outside;
}

static int clamp_pixel(double x, int size) {
    return x < 0.0 ? 0 : x > (double)(size - 1) ? size - 1 : (int)x;
}

static void draw_disc(const cw_toy_disc *disc, int size, uint8_t *frame) {
    double side = (double)size;
    double cx = disc->x * side - 0.5, cy = (1.0 - disc->y) * side - 0.5;
    double radius = disc->radius * side, inner = disc->inner * side, reach = radius + 1.0;
    size_t plane = (size_t)size * (size_t)size;
    int y1 = clamp_pixel(cy + reach, size), x1 = clamp_pixel(cx + reach, size);
    for (int y = clamp_pixel(cy - reach, size); y <= y1; y++)
        for (int x = clamp_pixel(cx - reach, size); x <= x1; x++) {
            double dx = (double)x - cx, dy = (double)y - cy;
            double share = coverage(sqrt(dx * dx + dy * dy), radius, inner);
            uint8_t *pixel = frame + (size_t)y * (size_t)size + (size_t)x;
            for (int c = 0; c < 3; c++, pixel += plane)
                *pixel =
                    (uint8_t)((double)*pixel + share * ((double)disc->colour[c] - *pixel) + 0.5);
        }
}

void cw_toy_draw(const cw_toy_disc *discs, int n, int size, uint8_t *frame) {
    size_t plane = (size_t)size * (size_t)size;
    for (size_t c = 0; c < 3; c++) memset(frame + c * plane, background[c], plane);
    for (int i = 0; i < n; i++) draw_disc(&discs[i], size, frame);
}
