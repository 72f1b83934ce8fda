/* program_branch.c: AND, OR, CASE, COALESCE: parts that run only for some rows. Where a part cannot fail it runs over
 * all rows at once and the results are merged; otherwise over the gathered rows that need it. */
#include "exec/program_internal.h"

/* 0 false, 1 true, 2 null */
static inline int truth(const struct column *column, size_t row) {
    return column_is_null(column, row) ? 2 : COLUMN_AT(column, uint8_t, row) != 0;
}

static struct column *merge_truth(
    const struct frame *frame, bool is_and, const struct column *left, const struct column *right) {
    static const uint8_t and_table[3][3] = {{0, 0, 0}, {0, 1, 2}, {0, 2, 2}};
    static const uint8_t or_table[3][3] = {{0, 1, 2}, {1, 1, 1}, {2, 1, 2}};
    size_t rows = left->constant && right->constant ? 1 : frame->row_count;
    struct column *result = column_create(frame->arena, type_simple(TYPE_BOOLEAN), rows);
    result->constant = left->constant && right->constant;
    uint8_t *out = result->values;
    if (!left->constant && !right->constant && left->validity == NULL && right->validity == NULL) {
        const uint8_t *a = left->values, *b = right->values;
        for (size_t i = 0; i < rows; i++) {
            out[i] = is_and ? a[i] & b[i] : a[i] | b[i];
        }
        return result;
    }
    for (size_t i = 0; i < rows; i++) {
        uint8_t value = (is_and ? and_table : or_table)[truth(left, i)][truth(right, i)];
        if (value == 2) {
            bit_clear(column_make_nullable(frame->arena, result), i);
        } else {
            out[i] = value;
        }
    }
    return result;
}

/* Full-length column with `part` at the rows `indexes` and the neutral value elsewhere. */
static struct column *spread_truth(
    const struct frame *frame, const struct column *part, const uint32_t *indexes, size_t count, uint8_t neutral) {
    struct column *full = column_create(frame->arena, type_simple(TYPE_BOOLEAN), frame->row_count);
    memset(full->values, neutral, frame->row_count);
    for (size_t i = 0; i < count; i++) {
        int value = truth(part, i);
        COLUMN_VALUES(full, uint8_t)[indexes[i]] = value == 1;
        if (value == 2) {
            bit_clear(column_make_nullable(frame->arena, full), indexes[i]);
        }
    }
    return full;
}

struct column *branch_and_or(const struct step *step, const struct frame *frame, struct column *left) {
    bool is_and = step->kind == STEP_AND;
    const struct program *right_program = step->branches[0];
    int decided = is_and ? 0 : 1;
    if (left->constant && truth(left, 0) == decided) {
        return left;
    }
    if (program_never_fails(right_program) || left->constant) {
        struct column *right = program_run_rows(right_program, frame, NULL, frame->row_count);
        return right == NULL ? NULL : merge_truth(frame, is_and, left, right);
    }
    uint32_t *indexes = ARENA_ARRAY(frame->arena, uint32_t, frame->row_count);
    size_t count = 0;
    for (size_t i = 0; i < frame->row_count; i++) {
        indexes[count] = (uint32_t)i;
        count += truth(left, i) != decided;
    }
    if (count == 0) {
        return left;
    }
    bool all = count == frame->row_count;
    struct column *right = program_run_rows(right_program, frame, all ? NULL : indexes, count);
    if (right == NULL) {
        return NULL;
    }
    if (!all) {
        right = spread_truth(frame, right, indexes, count, is_and);
    }
    return merge_truth(frame, is_and, left, right);
}

/* Parts of a result, each computed for some rows; put together by one gather. */
struct pieces {
    const struct frame *frame;
    struct column **columns;
    size_t *row_counts;
    size_t count, total;
    uint32_t *places; /* per row: position in the concatenation; UINT32_MAX: null */
};

static void pieces_begin(struct pieces *pieces, const struct frame *frame, size_t piece_count) {
    *pieces = (struct pieces){.frame = frame};
    pieces->columns = ARENA_ARRAY(frame->arena, struct column *, piece_count);
    pieces->row_counts = ARENA_ARRAY(frame->arena, size_t, piece_count);
    pieces->places = arena_allocate(frame->arena, frame->row_count * sizeof *pieces->places);
    memset(pieces->places, 0xff, frame->row_count * sizeof *pieces->places);
}

/* A constant is kept as one row that all its places point to. */
static void pieces_add(struct pieces *pieces, struct column *column, const uint32_t *indexes, size_t count) {
    struct column *piece = column;
    size_t rows = column->constant ? 1 : count;
    if (column->constant) {
        piece = ARENA_NEW(pieces->frame->arena, struct column);
        *piece = *column;
        piece->constant = false;
    }
    for (size_t i = 0; i < count; i++) {
        pieces->places[indexes[i]] = (uint32_t)(pieces->total + (column->constant ? 0 : i));
    }
    pieces->columns[pieces->count] = piece;
    pieces->row_counts[pieces->count++] = rows;
    pieces->total += rows;
}

static struct column *pieces_end(struct pieces *pieces, const struct type *type) {
    const struct frame *frame = pieces->frame;
    if (pieces->count == 0) {
        struct column *nulls = column_create_nulls(frame->arena, type, 1);
        nulls->constant = true;
        return nulls;
    }
    struct column *all = column_concat(frame->arena, pieces->columns, pieces->row_counts, pieces->count);
    struct column *result = column_take(frame->arena, all, pieces->places, frame->row_count);
    result->type = type;
    return result;
}

/* Moves the rows where the condition is true from rest to taken (both keep their order). */
static size_t split_rows(const struct column *condition, uint32_t *rest, size_t *rest_count, uint32_t *taken) {
    size_t taken_count = 0, kept = 0;
    for (size_t i = 0; i < *rest_count; i++) {
        uint32_t row = rest[i];
        if (truth(condition, i) == 1) {
            taken[taken_count++] = row;
        } else {
            rest[kept++] = row;
        }
    }
    *rest_count = kept;
    return taken_count;
}

static uint32_t *all_rows(const struct frame *frame) {
    uint32_t *rows = ARENA_ARRAY(frame->arena, uint32_t, frame->row_count);
    for (size_t i = 0; i < frame->row_count; i++) {
        rows[i] = (uint32_t)i;
    }
    return rows;
}

struct column *branch_case(const struct step *step, const struct frame *frame) {
    struct pieces pieces;
    pieces_begin(&pieces, frame, step->branch_count);
    uint32_t *rest = all_rows(frame), *taken = ARENA_ARRAY(frame->arena, uint32_t, frame->row_count);
    size_t rest_count = frame->row_count, i = 0;
    for (; i + 1 < step->branch_count && rest_count > 0; i += 2) {
        const uint32_t *rows = rest_count == frame->row_count ? NULL : rest;
        struct column *condition = program_run_rows(step->branches[i], frame, rows, rest_count);
        if (condition == NULL) {
            return NULL;
        }
        size_t taken_count = split_rows(condition, rest, &rest_count, taken);
        if (taken_count == 0) {
            continue;
        }
        rows = taken_count == frame->row_count ? NULL : taken;
        struct column *value = program_run_rows(step->branches[i + 1], frame, rows, taken_count);
        if (value == NULL) {
            return NULL;
        }
        pieces_add(&pieces, value, taken, taken_count);
    }
    if (step->branch_count % 2 == 1 && rest_count > 0) {
        const uint32_t *rows = rest_count == frame->row_count ? NULL : rest;
        struct column *value = program_run_rows(step->branches[step->branch_count - 1], frame, rows, rest_count);
        if (value == NULL) {
            return NULL;
        }
        pieces_add(&pieces, value, rest, rest_count);
    }
    return pieces_end(&pieces, step->type);
}

struct column *branch_coalesce(const struct step *step, const struct frame *frame) {
    struct pieces pieces;
    pieces_begin(&pieces, frame, step->branch_count);
    uint32_t *rest = all_rows(frame);
    size_t rest_count = frame->row_count;
    for (size_t i = 0; i < step->branch_count && rest_count > 0; i++) {
        bool all = rest_count == frame->row_count;
        struct column *value = program_run_rows(step->branches[i], frame, all ? NULL : rest, rest_count);
        if (value == NULL) {
            return NULL;
        }
        if (all && i == 0 && value->validity == NULL) {
            return value;
        }
        if (value->type->kind == TYPE_NULL || (value->constant && column_is_null(value, 0))) {
            continue;
        }
        pieces_add(&pieces, value, rest, rest_count);
        size_t kept = 0;
        for (size_t j = 0; j < rest_count; j++) {
            if (column_is_null(value, j)) {
                rest[kept++] = rest[j];
            }
        }
        rest_count = kept;
    }
    return pieces_end(&pieces, step->type);
}
