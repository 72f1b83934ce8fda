/* op_session.c: sessions of a batch query. Stands below an aggregation by session_window(): takes all rows, each with
 * the span from its time to its time and the gap, puts them in the order of the other keys and the starts, and gives
 * each the session that its span became part of. */
#include <stdlib.h>

#include "exec/all_rows.h"
#include "exec/groups.h"
#include "exec/session.h"
#include "sql/sql.h"

/* ---- sessions ---- */

static int compare_spans(const void *left, const void *right) {
    const struct span *a = left, *b = right;
    return a->key != b->key       ? (a->key > b->key) - (a->key < b->key)
           : a->start != b->start ? (a->start > b->start) - (a->start < b->start)
                                  : (a->row > b->row) - (a->row < b->row);
}

void sessions_find(struct arena *arena, struct span *spans, size_t count, uint32_t *order, uint32_t *numbers,
    struct session_list *list) {
    list->starts = ARENA_ARRAY(arena, int64_t, count + 1);
    list->ends = ARENA_ARRAY(arena, int64_t, count + 1);
    list->rows = ARENA_ARRAY(arena, uint32_t, count + 1);
    list->count = 0;
    if (count > 1) {
        qsort(spans, count, sizeof *spans, compare_spans);
    }
    for (size_t i = 0; i < count; i++) {
        bool new = i == 0 || spans[i].key != spans[i - 1].key || spans[i].start > list->ends[list->count - 1];
        if (new) {
            list->starts[list->count] = spans[i].start;
            list->ends[list->count] = spans[i].end;
            list->rows[list->count++] = spans[i].row;
        } else if (spans[i].end > list->ends[list->count - 1]) {
            list->ends[list->count - 1] = spans[i].end;
        }
        order[i] = spans[i].row;
        numbers[i] = (uint32_t)list->count - 1;
    }
}

struct column *sessions_column(struct arena *arena, const struct type *type, const struct session_list *list,
    const uint32_t *numbers, size_t count) {
    struct column *column = column_create(arena, type, count);
    for (size_t i = 0; i < count; i++) {
        size_t session = numbers == NULL ? i : numbers[i];
        COLUMN_VALUES(column->children[0], int64_t)[i] = list->starts[session];
        COLUMN_VALUES(column->children[1], int64_t)[i] = list->ends[session];
    }
    return column;
}

size_t session_key(const struct relation *aggregate) {
    const struct relation_aggregate *node = relation_aggregate_of(aggregate);
    for (size_t i = 0; i < node->groupings.count; i++) {
        if (attribute_is_session_window(&aggregate->output[i])) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* ---- the operator ---- */

struct session {
    struct operator base;
    struct program *keys; /* the groupings */
    const struct type **types;
    size_t key_count, window; /* which of them is the session */
    size_t column;            /* of the input, that is the session */
};

/* Numbers of the rows' other keys. */
static bool number_keys(const struct session *session, const struct batch *all, struct arena *scratch,
    uint32_t *numbers, struct sql_error *error) {
    struct frame frame = {.arena = scratch,
        .settings = session->base.settings,
        .error = error,
        .inputs = all->columns,
        .row_count = all->row_count};
    struct column **columns = ARENA_ARRAY(scratch, struct column *, session->key_count);
    uint32_t *fresh = ARENA_ARRAY(scratch, uint32_t, all->row_count + 1);
    const struct type **types = ARENA_ARRAY(scratch, const struct type *, session->key_count);
    struct groups groups;
    size_t count = 0;
    if (!program_run(session->keys, &frame, columns)) {
        return false;
    }
    for (size_t i = 0; i < session->key_count; i++) {
        if (i != session->window) {
            types[count] = session->types[i];
            columns[count++] = columns[i];
        }
    }
    if (count == 0) { /* one session after the other, for all rows */
        return true;
    }
    groups_init(&groups, types, count);
    groups_add(&groups, scratch, columns, count, all->row_count, numbers, fresh);
    groups_free(&groups);
    return true;
}

static enum op_result session_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct session *session = (const struct session *)operator;
    struct all_rows_shared *shared = state;
    struct arena scratch = {0};
    gather_order(&shared->gather);
    struct batch *all = shared->all = gather_concat(&shared->gather, operator->schema);
    size_t count = all->row_count;
    struct span *spans = ARENA_ARRAY(&scratch, struct span, count + 1);
    uint32_t *keys = ARENA_ARRAY(&scratch, uint32_t, count + 1), *numbers = ARENA_ARRAY(&scratch, uint32_t, count + 1),
             *by_row = ARENA_ARRAY(&scratch, uint32_t, count + 1);
    bool good = count == 0 || number_keys(session, all, &scratch, keys, error);
    shared->order = ARENA_ARRAY(&all->arena, uint32_t, count + 1);
    if (good) {
        struct session_list list;
        const struct column *window = column_flatten(&scratch, all->columns[session->column], count);
        for (size_t i = 0; i < count; i++) {
            spans[i] = (struct span){keys[i], (uint32_t)i, COLUMN_AT(window->children[0], int64_t, i),
                COLUMN_AT(window->children[1], int64_t, i)};
        }
        sessions_find(&scratch, spans, count, shared->order, numbers, &list);
        for (size_t i = 0; i < count; i++) {
            by_row[shared->order[i]] = numbers[i];
        }
        all->columns[session->column] =
            sessions_column(&all->arena, operator->schema->fields[session->column].type, &list, by_row, count);
    }
    arena_destroy(&scratch);
    return good ? OP_FINISHED : OP_FAILED;
}

static const struct operator_class op_session_class = {
    .name = "UpdatingSessions",
    .shared_size = sizeof(struct all_rows_shared),
    .local_size = sizeof(struct all_rows_local),
    .begin = all_rows_begin,
    .end = all_rows_end,
    .local_end = all_rows_local_end,
    .step = all_rows_step,
    .combine = all_rows_combine,
    .finish = session_finish,
    .partition_count = all_rows_partition_count,
    .begin_partition = all_rows_begin_partition,
    .read = all_rows_read,
};

struct operator* op_session_create(struct compile *compile, const struct relation *relation) {
    const struct relation_aggregate *node = relation_aggregate_of(relation);
    struct session *session = ARENA_NEW(compile->arena, struct session);
    session->window = session_key(relation);
    session->key_count = node->groupings.count;
    session->types = ARENA_ARRAY(compile->arena, const struct type *, session->key_count);
    for (size_t i = 0; i < session->key_count; i++) {
        session->types[i] = node->groupings.items[i]->type;
    }
    session->column = (size_t)expression_column_of(expression_strip(node->groupings.items[session->window]))->ordinal;
    session->keys = program_compile(compile->arena, compile->settings, node->groupings.items, session->key_count,
        node->input->output_count, compile->error);
    if (session->keys == NULL) {
        return NULL;
    }
    return operator_init(compile, &session->base, &op_session_class, node->input);
}
