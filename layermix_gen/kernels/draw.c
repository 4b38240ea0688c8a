/* Draw recipes of LayerMix: what `methods.layermix.draw` draws from the numbers of the same key. */
#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    uint64_t key[2], block;
    double numbers[4];
    int next;
} source;

/* The next number of a key, uniform in [0, 1): 53 bits of a word. */
static double drawn(source *s) {
    if (s->next == 4) {
        uint64_t words[4];
        philox(++s->block, s->key[0], s->key[1], words);
        for (int i = 0; i < 4; i++) s->numbers[i] = (double)(words[i] >> 11) * 0x1p-53;
        s->next = 0;
    }
    return s->numbers[s->next++];
}

static int below(source *s, int count) { return (int)(drawn(s) * count); }

/* One of the choices, by their weights; the last where rounding leaves none. */
static int drawn_by(source *s, const double *weights, int count, double total) {
    double place = drawn(s) * total;
    for (int i = 0; i < count; i++)
        if ((place -= weights[i]) < 0) return i;
    return count - 1;
}

/* Rounded to four decimals as Python does it: the decimal number that is nearest to the exact value. No negative zero. */
static double rounded_decimals(double value) {
    const double steps = value * 1e4, whole = nearbyint(steps);
    if (fabs(fabs(steps - whole) - 0.5) > 1e-4) return whole / 1e4 + 0.0;
    char text[400]; /* so near to halfway that the product's rounding might decide */
    snprintf(text, sizeof text, "%.4f", value);
    return strtod(text, NULL) + 0.0;
}

static double strength(source *s, const lm_strength *of) {
    double x = of->low + (of->high - of->low) * drawn(s);
    x = x < of->least ? of->least : x;
    if (of->is_whole) x = trunc(x);
    if (of->is_signed && drawn(s) >= 0.5) x = -x;
    return rounded_decimals((of->base + of->direction * x) / of->unit);
}

static void draw_coefficients(source *s, double power, double *arguments) {
    const int coin = drawn(s) < 0.5;
    const double a = pow(drawn(s), power), b = pow(drawn(s), power);
    arguments[0] = rounded_decimals(coin ? a : 2 - a);
    arguments[1] = rounded_decimals(coin ? 1 - b : b - 1);
}

static void draw_mask(source *s, double *arguments) {
    arguments[0] = trunc(257 * drawn(s));
    arguments[1] = trunc(4294967296.0 * drawn(s));
}

/* A recipe on its way: its nodes, and the operation and the blend that are drawn once for all of it, -1 before. */
typedef struct {
    const lm_law *law;
    const lm_strength *strengths;
    source numbers;
    lm_node *nodes;
    int count, operation, blend;
} draft;

/* Add a node unless it is the one before; returns its number. */
static int add(draft *d, lm_node node) {
    if (!d->count || memcmp(&d->nodes[d->count - 1], &node, sizeof node)) d->nodes[d->count++] = node;
    return d->count - 1;
}

static int augmented(draft *d, int x) {
    if (d->operation < 0 || !d->law->is_one_operation) d->operation = below(&d->numbers, d->law->operations);
    const lm_strength *of = &d->strengths[d->operation];
    return add(d, (lm_node){of->call, x, x, 0, {of->parameters ? strength(&d->numbers, of) : 0}});
}

static int blended(draft *d, int x, int y) {
    const lm_law *law = d->law;
    if (d->blend < 0 || !law->is_one_blend)
        d->blend = drawn_by(&d->numbers, law->blend_weight, law->blends, law->blend_total);
    lm_node node = {law->blend[d->blend], x, y, 0, {0}};
    if (node.call == PIXEL || node.call == ELEMENT) draw_mask(&d->numbers, node.arguments);
    else draw_coefficients(&d->numbers, law->power, node.arguments);
    return add(d, node);
}

static void draw(draft *d, lm_variant *variant) {
    const lm_law *law = d->law;
    const int layer = law->layer[drawn_by(&d->numbers, law->layer_weight, law->layers, law->layer_total)];
    int last = augmented(d, add(d, (lm_node){.call = IMAGE}));
    variant->picture = -1;
    if (layer > 1) last = blended(d, last, augmented(d, 0));
    if (layer > 2) {
        last = blended(d, last, add(d, (lm_node){.call = PICTURE}));
        augmented(d, last);
        variant->picture = below(&d->numbers, law->pictures);
        variant->top = below(&d->numbers, law->picture_size - law->size + 1);
        variant->left = below(&d->numbers, law->picture_size - law->size + 1);
        const int coins = law->has_flips ? below(&d->numbers, 4) : 0;
        variant->flip_h = coins & 1, variant->flip_v = coins >> 1;
    }
}

int lm_draw(const lm_law *law, const lm_strength *strengths, const uint64_t *keys, int count, lm_node *nodes,
            lm_variant *variants) {
    for (int i = 0; i < count; i++) {
        draft d = {law, strengths, {.key = {keys[2 * i], keys[2 * i + 1]}, .next = 4}, nodes + MOST_NODES * i, 0, -1, -1};
        variants[i] = (lm_variant){.first = MOST_NODES * i};
        draw(&d, &variants[i]);
        variants[i].nodes = d.count;
    }
    return 0;
}
