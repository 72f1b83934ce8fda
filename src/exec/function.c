/* function.c: finding kernels, and what kernels share. */
#include "exec/function.h"

#define KERNELS(name) extern const struct kernel_family kernel_family_##name;
#define AGGREGATES(name) extern const struct aggregate_family aggregate_family_##name;
#include "exec/functions/families.def"
#undef KERNELS
#undef AGGREGATES

#define KERNELS(name) &kernel_family_##name,
#define AGGREGATES(name)
static const struct kernel_family *const kernel_families[] = {
#include "exec/functions/families.def"
};
#undef KERNELS
#undef AGGREGATES

#define KERNELS(name)
#define AGGREGATES(name) &aggregate_family_##name,
static const struct aggregate_family *const aggregate_families[] = {
#include "exec/functions/families.def"
};
#undef KERNELS
#undef AGGREGATES

static bool kinds_match(
    const uint8_t *kinds, size_t kind_count, uint8_t flags, const struct type *const *types, size_t count) {
    bool variadic = (flags & KERNEL_VARIADIC) != 0;
    if (variadic ? count + 1 < kind_count : count != kind_count) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        uint8_t kind = kinds[i < kind_count ? i : kind_count - 1];
        if (kind != KERNEL_ANY && kind != types[i]->kind) {
            return false;
        }
    }
    return true;
}

const struct kernel_entry *kernel_find(const char *name, const struct type *const *types, size_t count) {
    for (size_t f = 0; f < ARRAY_COUNT(kernel_families); f++) {
        for (size_t i = 0; i < kernel_families[f]->count; i++) {
            const struct kernel_entry *entry = &kernel_families[f]->entries[i];
            if (strcmp(entry->name, name) == 0 &&
                kinds_match(entry->kinds, entry->kind_count, entry->flags, types, count)) {
                return entry;
            }
        }
    }
    return NULL;
}

const struct aggregate_entry *aggregate_find(const char *name, const struct type *const *types, size_t count) {
    for (size_t f = 0; f < ARRAY_COUNT(aggregate_families); f++) {
        for (size_t i = 0; i < aggregate_families[f]->count; i++) {
            const struct aggregate_entry *entry = &aggregate_families[f]->entries[i];
            if (strcmp(entry->name, name) == 0 &&
                kinds_match(entry->kinds, entry->kind_count, entry->flags, types, count)) {
                return entry;
            }
        }
    }
    return NULL;
}

/* ---- results ---- */

struct column *evaluation_result(struct evaluation *evaluation) {
    return column_create(evaluation->arena, evaluation->call->result_type, evaluation->row_count);
}

struct column *evaluation_result_constant(struct evaluation *evaluation) {
    struct column *result = column_create(evaluation->arena, evaluation->call->result_type, 1);
    result->constant = true;
    return result;
}

struct column *evaluation_result_null(struct evaluation *evaluation) {
    struct column *result = column_create_nulls(evaluation->arena, evaluation->call->result_type, 1);
    result->constant = true;
    return result;
}

uint8_t *evaluation_strict_validity(struct evaluation *evaluation, struct column *const *arguments, size_t count) {
    uint8_t *validity = NULL;
    size_t size = (evaluation->row_count + 7) / 8;
    for (size_t i = 0; i < count; i++) {
        const struct column *argument = arguments[i];
        if (argument->validity == NULL || (argument->constant && bit_get(argument->validity, 0))) {
            continue;
        }
        if (validity == NULL) {
            validity = ARENA_ARRAY(evaluation->arena, uint8_t, bitmap_size(evaluation->row_count));
            if (!argument->constant) {
                memcpy(validity, argument->validity, size);
            }
            continue;
        }
        for (size_t j = 0; j < size; j++) {
            validity[j] &= argument->constant ? 0 : argument->validity[j];
        }
    }
    return validity;
}

struct column *evaluation_strict_result(
    struct evaluation *evaluation, struct column *const *arguments, size_t count, bool *all_null) {
    bool constant = true;
    *all_null = false;
    for (size_t i = 0; i < count; i++) {
        constant = constant && arguments[i]->constant;
        *all_null = *all_null || (arguments[i]->constant && column_is_null(arguments[i], 0));
    }
    if (*all_null) {
        return evaluation_result_null(evaluation);
    }
    if (constant) {
        return evaluation_result_constant(evaluation);
    }
    struct column *result = evaluation_result(evaluation);
    result->validity = evaluation_strict_validity(evaluation, arguments, count);
    return result;
}

void evaluation_set_null(struct evaluation *evaluation, struct column *result, size_t row) {
    bit_clear(column_make_nullable(evaluation->arena, result), row);
    size_t width = type_value_size(result->type);
    memset((uint8_t *)result->values + row * width, 0, width);
}

/* ---- errors ---- */

bool evaluation_overflow(struct evaluation *evaluation, const char *what, const char *alternative) {
    if (!evaluation->call->ansi || evaluation->failed) {
        return false;
    }
    struct arena *arena = evaluation->error->arena;
    const char *message = arena_printf(arena, "%s overflow", what);
    const char *hint =
        alternative == NULL
            ? ""
            : arena_printf(arena, " Use '%s' to tolerate overflow and return NULL instead.", alternative);
    return evaluation_failed(evaluation,
        raise_arithmetic_overflow(evaluation->error, message, hint, quote_config(arena, "spark.sql.ansi.enabled")));
}

bool evaluation_divide_by_zero(struct evaluation *evaluation) {
    if (!evaluation->call->ansi || evaluation->failed) {
        return false;
    }
    return evaluation_failed(evaluation,
        raise_divide_by_zero(evaluation->error, quote_config(evaluation->error->arena, "spark.sql.ansi.enabled")));
}
