/* aggregate_moments.c: variance, standard deviation, skewness, kurtosis, covariance, correlation, regr_*, and bit_and,
 * bit_or, bit_xor. Central moments are kept while rows come in (Welford; Chan, Golub and LeVeque for merging), as Spark
 * does, so that results agree to the last digits. */
#include <math.h>
#include "exec/function.h"

#define STATE(run, type, groups, i) (&((type *)(run)->states)[(groups) == NULL ? 0 : (groups)[i]])

static const struct type *doubles(struct arena *arena, size_t count) {
    static const char *const names[] = {"n", "a", "b", "c", "d", "e", "f"};
    struct type_field fields[7];
    for (size_t i = 0; i < count; i++) {
        fields[i] = (struct type_field){bytes_from_text(names[i]), type_simple(TYPE_DOUBLE), false, BYTES_NULL};
    }
    return type_struct(arena, fields, count);
}

/* States that are nothing but doubles are saved as a struct of them. */
static struct column *save_doubles(struct aggregate_run *run, size_t count) {
    struct arena *arena = run->evaluation->arena;
    struct column *saved = column_create(arena, doubles(arena, count), run->group_count);
    const double *states = (const double *)run->states;
    for (size_t i = 0; i < run->group_count; i++) {
        for (size_t j = 0; j < count; j++) {
            COLUMN_VALUES(saved->children[j], double)[i] = states[i * count + j];
        }
    }
    return saved;
}

static void load_doubles(const struct column *saved, size_t row, double *state, size_t count) {
    for (size_t j = 0; j < count; j++) {
        state[j] = COLUMN_VALUES(saved->children[j], double)[row];
    }
}

/* ---- moments ---- */

struct moments {
    double n, mean, m2, m3, m4;
};
enum { MOMENT_COUNT = 5 };

static void moments_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    for (size_t i = 0; i < row_count; i++) {
        if (column_is_null(arguments[0], i)) {
            continue;
        }
        struct moments *state = STATE(run, struct moments, groups, i);
        double n = state->n + 1, delta = COLUMN_AT(arguments[0], double, i) - state->mean, delta_n = delta / n;
        double delta2 = delta * delta, delta_n2 = delta_n * delta_n;
        double m2 = state->m2 + delta * (delta - delta_n);
        double m3 = state->m3 - 3 * delta_n * m2 + delta * (delta2 - delta_n2);
        double m4 = state->m4 - 4 * delta_n * m3 - 6 * delta_n2 * m2 + delta * (delta * delta2 - delta_n * delta_n2);
        *state = (struct moments){n, state->mean + delta_n, m2, m3, m4};
    }
}

static const struct type *moments_type(const struct kernel_call *call, struct arena *arena) {
    return doubles(arena, MOMENT_COUNT);
}
static struct column *moments_save(struct aggregate_run *run) {
    return save_doubles(run, MOMENT_COUNT);
}

static void moments_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {
    for (size_t i = 0; i < saved->row_count; i++) {
        struct moments right, *left = STATE(run, struct moments, groups, i);
        load_doubles(saved, i, &right.n, MOMENT_COUNT);
        double n1 = left->n, n2 = right.n, n = n1 + n2, delta = right.mean - left->mean;
        double delta_n = n == 0 ? 0 : delta / n;
        double m2 = left->m2 + right.m2 + delta * delta_n * n1 * n2;
        double m3 = left->m3 + right.m3 + delta_n * delta_n * delta * n1 * n2 * (n1 - n2) +
                    3 * delta_n * (n1 * right.m2 - n2 * left->m2);
        double m4 = left->m4 + right.m4 +
                    delta_n * delta_n * delta_n * delta * n1 * n2 * (n1 * n1 - n1 * n2 + n2 * n2) +
                    6 * delta_n * delta_n * (n1 * n1 * right.m2 + n2 * n2 * left->m2) +
                    4 * delta_n * (n1 * right.m3 - n2 * left->m3);
        *left = (struct moments){n, left->mean + delta_n * n2, m2, m3, m4};
    }
}

enum moment { STDDEV_POP, STDDEV_SAMP, VAR_POP, VAR_SAMP, SKEWNESS, KURTOSIS };

static struct column *moments_finish(struct aggregate_run *run, enum moment moment) {
    struct column *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct moments *state = &((const struct moments *)run->states)[i];
        double n = state->n, value = 0;
        bool sample = moment == STDDEV_SAMP || moment == VAR_SAMP;
        bool present = n > (sample ? 1 : 0) && (moment < SKEWNESS || state->m2 != 0);
        switch (moment) {
        case STDDEV_POP:
            value = sqrt(state->m2 / n);
            break;
        case STDDEV_SAMP:
            value = sqrt(state->m2 / (n - 1));
            break;
        case VAR_POP:
            value = state->m2 / n;
            break;
        case VAR_SAMP:
            value = state->m2 / (n - 1);
            break;
        case SKEWNESS:
            value = sqrt(n) * state->m3 / sqrt(state->m2 * state->m2 * state->m2);
            break;
        case KURTOSIS:
            value = n * state->m4 / (state->m2 * state->m2) - 3;
            break;
        }
        COLUMN_VALUES(result, double)[i] = present ? value : 0;
        if (!present) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}
static struct column *stddev_pop(struct aggregate_run *run) {
    return moments_finish(run, STDDEV_POP);
}
static struct column *stddev_samp(struct aggregate_run *run) {
    return moments_finish(run, STDDEV_SAMP);
}
static struct column *var_pop(struct aggregate_run *run) {
    return moments_finish(run, VAR_POP);
}
static struct column *var_samp(struct aggregate_run *run) {
    return moments_finish(run, VAR_SAMP);
}
static struct column *skewness(struct aggregate_run *run) {
    return moments_finish(run, SKEWNESS);
}
static struct column *kurtosis(struct aggregate_run *run) {
    return moments_finish(run, KURTOSIS);
}

/* ---- pairs ---- */

struct pairs {
    double n, x_mean, y_mean, ck, x_mk, y_mk;
};
enum { PAIR_COUNT = 6 };

static void pairs_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    for (size_t i = 0; i < row_count; i++) {
        if (column_is_null(arguments[0], i) || column_is_null(arguments[1], i)) {
            continue;
        }
        struct pairs *state = STATE(run, struct pairs, groups, i);
        double x = COLUMN_AT(arguments[0], double, i), y = COLUMN_AT(arguments[1], double, i);
        double n = state->n + 1, dx = x - state->x_mean, dy = y - state->y_mean;
        double x_mean = state->x_mean + dx / n, y_mean = state->y_mean + dy / n;
        *state = (struct pairs){n, x_mean, y_mean, state->ck + dx * (y - y_mean), state->x_mk + dx * (x - x_mean),
            state->y_mk + dy * (y - y_mean)};
    }
}

static const struct type *pairs_type(const struct kernel_call *call, struct arena *arena) {
    return doubles(arena, PAIR_COUNT);
}
static struct column *pairs_save(struct aggregate_run *run) {
    return save_doubles(run, PAIR_COUNT);
}

static void pairs_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {
    for (size_t i = 0; i < saved->row_count; i++) {
        struct pairs right, *left = STATE(run, struct pairs, groups, i);
        load_doubles(saved, i, &right.n, PAIR_COUNT);
        double n1 = left->n, n2 = right.n, n = n1 + n2;
        if (n2 == 0) {
            continue;
        }
        double dx = right.x_mean - left->x_mean, dy = right.y_mean - left->y_mean, dx_n = dx / n, dy_n = dy / n;
        *left = (struct pairs){n, left->x_mean + dx_n * n2, left->y_mean + dy_n * n2,
            left->ck + right.ck + dx * dy_n * n1 * n2, left->x_mk + right.x_mk + dx * dx_n * n1 * n2,
            left->y_mk + right.y_mk + dy * dy_n * n1 * n2};
    }
}

enum pair_result { CORR, COVAR_POP, COVAR_SAMP, REGR_R2, REGR_SXY };

/* regr_r2(y, x), where the first argument is x_mean's: the share of the variance that the line explains, 1 when there
 * is none to explain. */
static double explained(const struct pairs *state) {
    double correlation = state->ck / sqrt(state->x_mk * state->y_mk);
    return state->x_mk == 0 ? 1 : correlation * correlation;
}

static struct column *pairs_finish(struct aggregate_run *run, enum pair_result kind) {
    struct column *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct pairs *state = &((const struct pairs *)run->states)[i];
        bool present = kind == REGR_R2 ? state->y_mk != 0 : state->n > (kind == CORR || kind == COVAR_SAMP ? 1 : 0);
        double value = kind == CORR         ? state->ck / sqrt(state->x_mk * state->y_mk)
                       : kind == COVAR_POP  ? state->ck / state->n
                       : kind == COVAR_SAMP ? state->ck / (state->n - 1)
                       : kind == REGR_R2    ? explained(state)
                                            : state->ck;
        COLUMN_VALUES(result, double)[i] = present ? value : 0;
        if (!present) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}
static struct column *corr(struct aggregate_run *run) {
    return pairs_finish(run, CORR);
}
static struct column *covar_pop(struct aggregate_run *run) {
    return pairs_finish(run, COVAR_POP);
}
static struct column *covar_samp(struct aggregate_run *run) {
    return pairs_finish(run, COVAR_SAMP);
}
static struct column *regr_r2(struct aggregate_run *run) {
    return pairs_finish(run, REGR_R2);
}
static struct column *regr_sxy(struct aggregate_run *run) {
    return pairs_finish(run, REGR_SXY);
}
static struct column *regr_count(struct aggregate_run *run) {
    struct column *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        COLUMN_VALUES(result, int64_t)[i] = (int64_t)((const struct pairs *)run->states)[i].n;
    }
    return result;
}

/* ---- one side of the pairs: y is the first argument, x the second ---- */

enum pair_side { SIDE_Y, SIDE_X };

/* A side's values where both are there, null elsewhere. */
static struct column *side_of(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, enum pair_side side) {
    struct column *result = column_create(run->evaluation->arena, type_simple(TYPE_DOUBLE), row_count);
    for (size_t i = 0; i < row_count; i++) {
        if (column_is_null(arguments[0], i) || column_is_null(arguments[1], i)) {
            evaluation_set_null(run->evaluation, result, i);
        } else {
            COLUMN_VALUES(result, double)[i] = COLUMN_AT(arguments[side], double, i);
        }
    }
    return result;
}

static void sxx_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    struct column *values = side_of(run, arguments, row_count, SIDE_X);
    moments_update(run, &values, row_count, groups);
}
static void syy_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    struct column *values = side_of(run, arguments, row_count, SIDE_Y);
    moments_update(run, &values, row_count, groups);
}

static struct column *second_moment(struct aggregate_run *run) {
    struct column *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct moments *state = &((const struct moments *)run->states)[i];
        COLUMN_VALUES(result, double)[i] = state->m2;
        if (state->n == 0) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}

/* Means are kept as sums, as avg() keeps them: saved as {sum, count, overflow}. */
struct side_sum {
    double sum;
    int64_t count;
};

static void average_update(struct aggregate_run *run, struct column *const *arguments, size_t row_count,
    const uint32_t *groups, enum pair_side side) {
    for (size_t i = 0; i < row_count; i++) {
        if (!column_is_null(arguments[0], i) && !column_is_null(arguments[1], i)) {
            struct side_sum *state = STATE(run, struct side_sum, groups, i);
            state->sum += COLUMN_AT(arguments[side], double, i);
            state->count++;
        }
    }
}
static void avgx_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    average_update(run, arguments, row_count, groups, SIDE_X);
}
static void avgy_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    average_update(run, arguments, row_count, groups, SIDE_Y);
}

static const struct type *average_type(const struct kernel_call *call, struct arena *arena) {
    const struct type_field fields[] = {{BYTES("sum"), type_simple(TYPE_DOUBLE), false, BYTES_NULL},
        {BYTES("count"), type_simple(TYPE_LONG), false, BYTES_NULL},
        {BYTES("overflow"), type_simple(TYPE_BOOLEAN), false, BYTES_NULL}};
    return type_struct(arena, fields, 3);
}

static struct column *average_save(struct aggregate_run *run) {
    struct arena *arena = run->evaluation->arena;
    struct column *saved = column_create(arena, average_type(run->call, arena), run->group_count);
    const struct side_sum *states = (const struct side_sum *)run->states;
    for (size_t i = 0; i < 3; i++) {
        saved->children[i] = column_create(arena, saved->type->fields[i].type, run->group_count);
    }
    for (size_t i = 0; i < run->group_count; i++) {
        COLUMN_VALUES(saved->children[0], double)[i] = states[i].sum;
        COLUMN_VALUES(saved->children[1], int64_t)[i] = states[i].count;
    }
    return saved;
}

static void average_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {
    for (size_t i = 0; i < saved->row_count; i++) {
        struct side_sum *state = STATE(run, struct side_sum, groups, i);
        state->sum += COLUMN_VALUES(saved->children[0], double)[i];
        state->count += COLUMN_VALUES(saved->children[1], int64_t)[i];
    }
}

static struct column *average_finish(struct aggregate_run *run) {
    struct column *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct side_sum *state = &((const struct side_sum *)run->states)[i];
        if (state->count == 0) {
            evaluation_set_null(run->evaluation, result, i);
        } else {
            COLUMN_VALUES(result, double)[i] = state->sum / (double)state->count;
        }
    }
    return result;
}

/* ---- the line: the covariance of x and y, and the variance of x, each with its own count, as Spark keeps them ---- */

struct line {
    double n, x_mean, y_mean, ck, x_n, mean, m2;
};
enum { LINE_COUNT = 7 };

static void line_update(
    struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {
    for (size_t i = 0; i < row_count; i++) {
        if (column_is_null(arguments[0], i) || column_is_null(arguments[1], i)) {
            continue;
        }
        struct line *state = STATE(run, struct line, groups, i);
        double x = COLUMN_AT(arguments[1], double, i), y = COLUMN_AT(arguments[0], double, i);
        double n = state->n + 1, dx = x - state->x_mean, dy = y - state->y_mean;
        double x_mean = state->x_mean + dx / n, y_mean = state->y_mean + dy / n;
        double x_n = state->x_n + 1, delta = x - state->mean, delta_n = delta / x_n;
        *state = (struct line){n, x_mean, y_mean, state->ck + dx * (y - y_mean), x_n, state->mean + delta_n,
            state->m2 + delta * (delta - delta_n)};
    }
}

static const struct type *line_type(const struct kernel_call *call, struct arena *arena) {
    return doubles(arena, LINE_COUNT);
}
static struct column *line_save(struct aggregate_run *run) {
    return save_doubles(run, LINE_COUNT);
}

static void line_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {
    for (size_t i = 0; i < saved->row_count; i++) {
        struct line right, *left = STATE(run, struct line, groups, i);
        load_doubles(saved, i, &right.n, LINE_COUNT);
        double n1 = left->n, n2 = right.n, n = n1 + n2;
        if (n2 == 0) {
            continue;
        }
        double dx = right.x_mean - left->x_mean, dy = right.y_mean - left->y_mean, dx_n = dx / n, dy_n = dy / n;
        double delta = right.mean - left->mean, delta_n = delta / n;
        *left = (struct line){n, left->x_mean + dx_n * n2, left->y_mean + dy_n * n2,
            left->ck + right.ck + dx * dy_n * n1 * n2, n, left->mean + delta_n * n2,
            left->m2 + right.m2 + delta * delta_n * n1 * n2};
    }
}

static struct column *line_finish(struct aggregate_run *run, bool intercept) {
    struct column *result = column_create(run->evaluation->arena, run->call->result_type, run->group_count);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct line *state = &((const struct line *)run->states)[i];
        double slope = state->ck / state->m2;
        if (state->m2 == 0) {
            evaluation_set_null(run->evaluation, result, i);
        } else {
            COLUMN_VALUES(result, double)[i] = intercept ? state->y_mean - slope * state->x_mean : slope;
        }
    }
    return result;
}
static struct column *regr_slope(struct aggregate_run *run) {
    return line_finish(run, false);
}
static struct column *regr_intercept(struct aggregate_run *run) {
    return line_finish(run, true);
}

/* ---- bits ---- */

struct bits {
    int64_t value;
    bool present;
};

static int64_t integral_at(const struct column *column, size_t row) {
    switch (type_value_size(column->type)) {
    case 1:
        return COLUMN_AT(column, int8_t, row);
    case 2:
        return COLUMN_AT(column, int16_t, row);
    case 4:
        return COLUMN_AT(column, int32_t, row);
    default:
        return COLUMN_AT(column, int64_t, row);
    }
}

static void bits_add(
    struct aggregate_run *run, const struct column *column, size_t row_count, const uint32_t *groups, char operation) {
    for (size_t i = 0; i < row_count; i++) {
        if (column_is_null(column, i)) {
            continue;
        }
        struct bits *state = STATE(run, struct bits, groups, i);
        int64_t value = integral_at(column, i);
        state->value = !state->present    ? value
                       : operation == '&' ? state->value & value
                       : operation == '|' ? state->value | value
                                          : state->value ^ value;
        state->present = true;
    }
}
static const struct type *bits_type(const struct kernel_call *call, struct arena *arena) {
    return call->argument_types[0];
}
static struct column *bits_finish(struct aggregate_run *run) {
    struct column *result = column_create(run->evaluation->arena, run->call->argument_types[0], run->group_count);
    size_t width = type_value_size(result->type);
    for (size_t i = 0; i < run->group_count; i++) {
        const struct bits *state = &((const struct bits *)run->states)[i];
        memcpy((uint8_t *)result->values + i * width, &state->value, width); /* little-endian: the low bytes */
        if (!state->present) {
            evaluation_set_null(run->evaluation, result, i);
        }
    }
    return result;
}
#define BITS(name, operation)                                                                                          \
    static void bit_##name##_update(                                                                                   \
        struct aggregate_run *run, struct column *const *arguments, size_t row_count, const uint32_t *groups) {        \
        bits_add(run, arguments[0], row_count, groups, operation);                                                     \
    }                                                                                                                  \
    static void bit_##name##_merge(struct aggregate_run *run, const struct column *saved, const uint32_t *groups) {    \
        bits_add(run, saved, saved->row_count, groups, operation);                                                     \
    }
BITS(and, '&')
BITS(or, '|')
BITS(xor, '^')

#define MOMENT_ROW(name)                                                                                               \
    {                                                                                                                  \
#name, {TYPE_DOUBLE }, 1, 0, sizeof(struct moments), moments_update, moments_type, moments_save,               \
                   moments_merge, name                                                                                 \
    }
#define PAIR_ROW(name)                                                                                                 \
    {                                                                                                                  \
#name, {TYPE_DOUBLE, TYPE_DOUBLE }, 2, 0, sizeof(struct pairs), pairs_update, pairs_type, pairs_save,          \
                   pairs_merge, name                                                                                   \
    }
/* state: the prefix of the functions that save and merge it */
#define SIDE_ROW(name, type, update, state, finish)                                                                    \
    { name, {TYPE_DOUBLE, TYPE_DOUBLE}, 2, 0, sizeof(type), update, state##_type, state##_save, state##_merge, finish }
#define BITS_ROW(name, kind)                                                                                           \
    {                                                                                                                  \
        "bit_" #name, {kind}, 1, 0, sizeof(struct bits), bit_##name##_update, bits_type, bits_finish,                  \
            bit_##name##_merge, bits_finish                                                                            \
    }
#define BITS_ROWS(name)                                                                                                \
    BITS_ROW(name, TYPE_BYTE), BITS_ROW(name, TYPE_SHORT), BITS_ROW(name, TYPE_INTEGER), BITS_ROW(name, TYPE_LONG)

static const struct aggregate_entry entries[] = {
    MOMENT_ROW(stddev_pop),
    MOMENT_ROW(stddev_samp),
    MOMENT_ROW(var_pop),
    MOMENT_ROW(var_samp),
    MOMENT_ROW(skewness),
    MOMENT_ROW(kurtosis),
    PAIR_ROW(corr),
    PAIR_ROW(covar_pop),
    PAIR_ROW(covar_samp),
    PAIR_ROW(regr_count),
    PAIR_ROW(regr_r2),
    PAIR_ROW(regr_sxy),
    SIDE_ROW("regr_sxx", struct moments, sxx_update, moments, second_moment),
    SIDE_ROW("regr_syy", struct moments, syy_update, moments, second_moment),
    SIDE_ROW("regr_avgx", struct side_sum, avgx_update, average, average_finish),
    SIDE_ROW("regr_avgy", struct side_sum, avgy_update, average, average_finish),
    SIDE_ROW("regr_slope", struct line, line_update, line, regr_slope),
    SIDE_ROW("regr_intercept", struct line, line_update, line, regr_intercept),
    BITS_ROWS(and),
    BITS_ROWS(or),
    BITS_ROWS(xor),
};
const struct aggregate_family aggregate_family_moments = AGGREGATE_FAMILY(entries);
