/* random.h: Spark's XORShiftRandom: the same seed gives the same numbers as there. */
#ifndef EXEC_RANDOM_H
#define EXEC_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct xorshift {
    int64_t seed;
    bool has_gaussian; /* java.util.Random makes two at a time */
    double gaussian;
};

struct xorshift xorshift_make(int64_t seed);
int32_t xorshift_next(struct xorshift *random, int bits);
double xorshift_next_double(struct xorshift *random); /* [0, 1) */
double xorshift_next_gaussian(struct xorshift *random);
int64_t xorshift_next_long(struct xorshift *random);

#endif
