/* random.c: XORShift (Marsaglia) with a seed spread by MurmurHash3 (x86, 32 bits), and java.util.Random's ways to make
 * doubles of it. */
#include "exec/random.h"

#include <math.h>

static uint32_t rotate(uint32_t value, int count) {
    return value << count | value >> (32 - count);
}

/* MurmurHash3 of the 8 bytes of value, most significant first. */
static uint32_t murmur3(uint64_t value, uint32_t hash) {
    uint64_t swapped = __builtin_bswap64(value);
    for (int i = 0; i < 2; i++) {
        uint32_t block = (uint32_t)(swapped >> (32 * i));
        block = rotate(block * UINT32_C(0xcc9e2d51), 15) * UINT32_C(0x1b873593);
        hash = rotate(hash ^ block, 13) * 5 + UINT32_C(0xe6546b64);
    }
    hash ^= 8;
    hash = (hash ^ hash >> 16) * UINT32_C(0x85ebca6b);
    hash = (hash ^ hash >> 13) * UINT32_C(0xc2b2ae35);
    return hash ^ hash >> 16;
}

struct xorshift xorshift_make(int64_t seed) {
    uint32_t low = murmur3((uint64_t)seed, UINT32_C(0x3c074a61));
    uint32_t high = murmur3((uint64_t)seed, low);
    return (struct xorshift){.seed = (int64_t)((uint64_t)high << 32 | low)};
}

int32_t xorshift_next(struct xorshift *random, int bits) {
    uint64_t next = (uint64_t)random->seed;
    next ^= next << 21;
    next ^= next >> 35;
    next ^= next << 4;
    random->seed = (int64_t)next;
    return (int32_t)(next & ((UINT64_C(1) << bits) - 1));
}

double xorshift_next_double(struct xorshift *random) {
    int64_t high = xorshift_next(random, 26);
    return (double)((high << 27) + xorshift_next(random, 27)) * 0x1p-53;
}

int64_t xorshift_next_long(struct xorshift *random) {
    uint64_t high = (uint64_t)(int64_t)xorshift_next(random, 32) << 32;
    return (int64_t)(high + (uint64_t)(int64_t)xorshift_next(random, 32));
}

double xorshift_next_gaussian(struct xorshift *random) {
    if (random->has_gaussian) {
        random->has_gaussian = false;
        return random->gaussian;
    }
    double first, second, square;
    do {
        first = 2 * xorshift_next_double(random) - 1;
        second = 2 * xorshift_next_double(random) - 1;
        square = first * first + second * second;
    } while (square >= 1 || square == 0);
    double factor = sqrt(-2 * log(square) / square);
    random->gaussian = second * factor;
    random->has_gaussian = true;
    return first * factor;
}
