/* op_sample.c: a random part of the rows, the same rows as Spark takes for the same seed and partitions. With
 * replacement each row comes as often as a Poisson number says. */
#include <math.h>
#include "exec/operator.h"
#include "exec/random.h"

struct sample {
    struct operator base;
    double lower, upper;
    bool with_replacement;
    int64_t seed;
};

struct sample_local {
    struct xorshift random;
};

static bool sample_begin_partition(struct op_run *run) {
    const struct sample *sample = (const struct sample *)run->operator;
    ((struct sample_local *)run->local)->random = xorshift_make(sample->seed + (int64_t)run->source_partition);
    return true;
}

/* A Poisson number by Knuth's multiplication. */
static size_t poisson(struct xorshift *random, double mean) {
    double limit = exp(-mean), product = xorshift_next_double(random);
    size_t count = 0;
    while (product > limit && count < 1000) {
        product *= xorshift_next_double(random);
        count++;
    }
    return count;
}

static enum op_result sample_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct sample *sample = (const struct sample *)run->operator;
    struct sample_local *local = run->local;
    VECTOR(uint32_t) indexes = {0};
    for (size_t i = 0; i < in->row_count; i++) {
        size_t times;
        if (sample->with_replacement) {
            times = poisson(&local->random, sample->upper - sample->lower);
        } else {
            double x = xorshift_next_double(&local->random);
            times = x >= sample->lower && x < sample->upper;
        }
        for (; times > 0; times--) {
            VECTOR_PUSH(&indexes, (uint32_t)i);
        }
    }
    if (indexes.count > 0) {
        *out = batch_take(in, indexes.items, indexes.count);
    }
    VECTOR_FREE(&indexes);
    return OP_NEED_INPUT;
}

static const struct operator_class op_sample_class = {
    .name = "Sample",
    .local_size = sizeof(struct sample_local),
    .begin_partition = sample_begin_partition,
    .step = sample_step,
};

struct operator* op_sample_create(struct compile *compile, const struct relation *relation) {
    const struct relation_sample *node = relation_sample_of(relation);
    struct sample *sample = ARENA_NEW(compile->arena, struct sample);
    sample->lower = node->lower;
    sample->upper = node->upper;
    sample->with_replacement = node->with_replacement;
    sample->seed = node->seed;
    return operator_init(compile, &sample->base, &op_sample_class, relation);
}
