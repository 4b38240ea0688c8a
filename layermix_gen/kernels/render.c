/* Evaluate a recipe. A value is pixels with a lookup table still to be applied: an operation on levels only composes
   tables, and a blend of two values over the same pixels blends their tables. A histogram is counted once for each set
   of pixels; after a table it is computed from that count. */
#include "kernels.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    uint8_t *pixels;
    int references, is_owned, is_counted;
    histograms counts;
} plane;

typedef struct {
    plane *of;
    int uses; /* by nodes that are still to come */
    int has_table;
    tables table;
} value;

typedef struct {
    int height, width;
    size_t pixels, bytes;
    plane *next; /* of as many as there are nodes */
} state;

/* --- planes and values ------------------------------------------------------------------------------------------- */

static void point(value *v, plane *of) {
    v->of = of;
    of->references++;
}

static void drop(value *v) {
    if (v->of && --v->of->references == 0 && v->of->is_owned) free(v->of->pixels);
    v->of = NULL;
}

/* Give a value pixels, which may be NULL for want of memory, and no table. Returns the pixels. */
static uint8_t *set(state *s, value *v, uint8_t *pixels, int is_owned) {
    plane *made = s->next++;
    made->pixels = pixels, made->is_owned = is_owned, made->references = made->is_counted = 0;
    point(v, made);
    v->has_table = 0;
    return pixels;
}

static tables *table_of(value *v) {
    if (!v->has_table)
        for (int channel = 0; channel < 3; channel++)
            for (int level = 0; level < 256; level++) v->table[channel][level] = level;
    return &v->table;
}

/* The pixels of a value with its table applied, once for all of its uses; NULL without memory. */
static const uint8_t *settled(state *s, value *v) {
    if (v->has_table) {
        plane *before = v->of;
        if (before->is_owned && before->references == 1) {
            look_up(before->pixels, s->pixels, v->table, before->pixels);
            before->is_counted = v->has_table = 0;
        } else {
            uint8_t *to = malloc(s->bytes);
            if (!to) return NULL;
            look_up(before->pixels, s->pixels, v->table, to);
            drop(v);
            set(s, v, to, 1);
        }
    }
    return v->of->pixels;
}

/* --- tables ------------------------------------------------------------------------------------------------------ */

static void count_of(const state *s, value *v, histograms counts) {
    plane *of = v->of;
    if (!of->is_counted) count_levels(of->pixels, s->pixels, of->counts);
    of->is_counted = 1;
    if (!v->has_table) {
        memcpy(counts, of->counts, sizeof(histograms));
        return;
    }
    memset(counts, 0, sizeof(histograms));
    for (int channel = 0; channel < 3; channel++)
        for (int level = 0; level < 256; level++) counts[channel][v->table[channel][level]] += of->counts[channel][level];
}

static void alike(tables table) {
    memcpy(table[1], table[0], 256);
    memcpy(table[2], table[0], 256);
}

/* The table of an operation on the levels of `x`. */
static void tabulate(const state *s, const lm_node *node, value *x, tables table) {
    const double argument = node->arguments[0];
    histograms counts;
    if (node->call >= CONTRAST) count_of(s, x, counts);
    switch (node->call) {
        case INVERT: invert(table[0]), alike(table); return;
        case POSTERIZE: posterize((int)argument, table[0]), alike(table); return;
        case SOLARIZE: solarize(argument, table[0]), alike(table); return;
        case BRIGHTNESS: brightness(argument, table[0]), alike(table); return;
        case CONTRAST: contrast(counts, argument, table[0]), alike(table); return;
        default:
            for (int channel = 0; channel < 3; channel++)
                (node->call == EQUALIZE ? equalize : autocontrast)(counts[channel], table[channel]);
    }
}

static void compose(const state *s, const lm_node *node, value *x, value *result) {
    tables table;
    tabulate(s, node, x, table);
    for (int channel = 0; channel < 3; channel++)
        for (int level = 0; level < 256; level++)
            result->table[channel][level] = table[channel][x->has_table ? x->table[channel][level] : level];
    result->has_table = 1;
    point(result, x->of);
}

/* --- pixels ------------------------------------------------------------------------------------------------------ */

/* A box as far as it lies in the image, which is at most 2^30 pixels high and wide. */
typedef struct {
    int top, left, height, width;
} box;

static box boxed(const state *s, const double *arguments) {
    double height = arguments[0], width = arguments[1], top = arguments[2], left = arguments[3];
    top = top < s->height ? top : s->height, left = left < s->width ? left : s->width;
    height = height < s->height - top ? height : s->height - top, width = width < s->width - left ? width : s->width - left;
    return (box){(int)top, (int)left, (int)height, (int)width};
}

static int operate(const state *s, const lm_node *node, const uint8_t *x, uint8_t *out) {
    const double *arguments = node->arguments, argument = arguments[0];
    const int height = s->height, width = s->width;
    switch (node->call) {
        case GRAYSCALE: grayscale(x, s->pixels, out); return 0;
        case COLOR: color(x, s->pixels, argument, out); return 0;
        case SHARPNESS: sharpness(x, height, width, argument, out); return 0;
        case MIRROR: mirror(x, height, width, out); return 0;
        case ROTATE: return rotate(x, height, width, argument, out);
        case SHEAR_X: return shift_rows(x, height, width, 0, argument, out);
        case SHEAR_Y: return shift_columns(x, height, width, 0, argument, out);
        case TRANSLATE_X: return shift_rows(x, height, width, -argument, 0, out);
        case TRANSLATE_Y: return shift_columns(x, height, width, -argument, 0, out);
        default: { /* ERASE */
            box of = boxed(s, arguments);
            memcpy(out, x, s->bytes);
            for (int row = of.top; row < of.top + of.height; row++)
                for (int column = of.left; column < of.left + of.width; column++)
                    for (int channel = 0; channel < 3; channel++)
                        out[3 * ((size_t)row * width + column) + channel] = (uint8_t)arguments[4 + channel];
            return 0;
        }
    }
}

/* Blend values without tables. */
static int blend(int call, const double *arguments, const uint8_t *x, const uint8_t *y, size_t pixels, uint8_t *out) {
    const double a = arguments[0], b = arguments[1];
    switch (call) {
        case ADD: weighted_sum(x, y, 3 * pixels, a, b, 255 * (1 - a - b) / 2, out); return 0;
        case MEAN: weighted_sum(x, y, 3 * pixels, a, 1 - a, 0, out); return 0;
        case MULTIPLY: {
            float of_x[256], of_y[256];
            powers(a, b, of_x, of_y);
            multiply_alike(x, y, 3 * pixels, of_x, of_y, out);
            return 0;
        }
        default: return choose(x, y, pixels, call == ELEMENT, (int)a, (uint64_t)b, out);
    }
}

/* Blend within a box alone: cut both out, blend, and put the result back. */
static int blend_patch(const state *s, const lm_node *node, const uint8_t *x, const uint8_t *y, uint8_t *out) {
    const int is_paste = node->call == PASTE;
    const box of = boxed(s, node->arguments + (is_paste ? 0 : 2));
    const size_t row = 3 * (size_t)of.width, stride = 3 * (size_t)s->width, bytes = of.height * row;
    const size_t at = of.top * stride + 3 * (size_t)of.left;
    memcpy(out, x, s->bytes);
    if (bytes == 0) return 0;
    uint8_t *cut = malloc(3 * bytes);
    if (!cut) return -1;
    uint8_t *result = cut + (is_paste ? 1 : 2) * bytes;
    for (int i = 0; i < of.height; i++) {
        memcpy(cut + i * row, x + at + i * stride, row);
        memcpy(cut + bytes + i * row, y + at + i * stride, row);
    }
    int done = is_paste ? 0 : blend(node->call - ADD_PATCH + ADD, node->arguments, cut, cut + bytes, bytes / 3, result);
    for (int i = 0; i < of.height; i++) memcpy(out + at + i * stride, result + i * row, row);
    free(cut);
    return done;
}

/* Multiply values whose tables are taken up into the factors. */
static void multiply_tables(const state *s, const lm_node *node, value *x, value *y, uint8_t *out) {
    float of_x[256], of_y[256], factors_x[3][256], factors_y[3][256];
    tables *table_x = table_of(x), *table_y = table_of(y);
    powers(node->arguments[0], node->arguments[1], of_x, of_y);
    for (int channel = 0; channel < 3; channel++)
        for (int level = 0; level < 256; level++) {
            factors_x[channel][level] = of_x[(*table_x)[channel][level]];
            factors_y[channel][level] = of_y[(*table_y)[channel][level]];
        }
    if (are_alike(*table_x) && are_alike(*table_y))
        multiply_alike(x->of->pixels, y->of->pixels, s->bytes, factors_x[0], factors_y[0], out);
    else
        multiply(x->of->pixels, y->of->pixels, s->pixels, factors_x, factors_y, out);
}

/* --- evaluation -------------------------------------------------------------------------------------------------- */

static int evaluate(state *s, const lm_node *node, value *x, value *y, value *result, uint8_t *into) {
    if (node->call < GRAYSCALE) return compose(s, node, x, result), 0;
    if (node->call == ADD || node->call == MULTIPLY || node->call == MEAN) {
        if (x->of == y->of) {
            blend(node->call, node->arguments, **table_of(x), **table_of(y), 256, *result->table);
            result->has_table = 1;
            return point(result, x->of), 0;
        }
        if (node->call == MULTIPLY) {
            uint8_t *out = set(s, result, into ? into : malloc(s->bytes), !into);
            return out ? multiply_tables(s, node, x, y, out), 0 : -1;
        }
    }
    const uint8_t *of_x = settled(s, x), *of_y = node->call >= ADD ? settled(s, y) : of_x;
    uint8_t *out = set(s, result, into ? into : malloc(s->bytes), !into);
    if (!of_x || !of_y || !out) return -1;
    if (node->call < ADD) return operate(s, node, of_x, out);
    if (node->call > MEAN) return blend_patch(s, node, of_x, of_y, out);
    return blend(node->call, node->arguments, of_x, of_y, s->pixels, out);
}

int lm_render(const lm_node *nodes, int count, const uint8_t *const leaves[3], int height, int width, uint8_t *out) {
    const size_t pixels = (size_t)height * width;
    value *values = malloc(count * sizeof(value));
    plane *planes = malloc(2 * count * sizeof(plane)); /* a node makes one, and one more when it is settled */
    state s = {height, width, pixels, 3 * pixels, planes};
    int done = values && planes ? 0 : -1;
    for (int i = 0; i < count && done == 0; i++) {
        values[i].of = NULL, values[i].uses = values[i].has_table = 0;
        if (nodes[i].call > OTHER) values[nodes[i].x].uses++;
        if (nodes[i].call >= ADD) values[nodes[i].y].uses++;
    }
    for (int i = 0; i < count && done == 0; i++) {
        const lm_node *node = &nodes[i];
        value *x = &values[node->x], *y = &values[node->y];
        if (node->call <= OTHER) {
            set(&s, &values[i], (uint8_t *)leaves[node->call], 0); /* never written: it is not owned */
            continue;
        }
        done = evaluate(&s, node, x, y, &values[i], i == count - 1 ? out : NULL);
        if (--x->uses == 0) drop(x);
        if (node->call >= ADD && --y->uses == 0) drop(y);
    }
    if (done == 0) {
        value *result = &values[count - 1];
        if (result->has_table)
            look_up(result->of->pixels, pixels, result->table, out);
        else if (result->of->pixels != out)
            memcpy(out, result->of->pixels, s.bytes);
    }
    for (int i = 0; i < count && values && planes; i++) drop(&values[i]);
    free(values), free(planes);
    return done;
}

int lm_render_all(const lm_node *nodes, const lm_variant *variants, int count, const uint8_t *pictures, int side,
                  int channels, int size) {
    uint8_t *crop = malloc(3 * (size_t)size * size);
    int done = crop ? 0 : -1;
    for (const lm_variant *v = variants; v < variants + count && done == 0; v++) {
        if (v->picture >= 0)
            lm_picture(pictures + (size_t)v->picture * side * side * channels, side, channels, v->top, v->left, v->flip_h,
                       v->flip_v, size, crop);
        done = lm_render(nodes + v->first, v->nodes, (const uint8_t *[]){v->image, crop, v->other}, size, size, v->out);
    }
    free(crop);
    return done;
}
