/* op_join.c: joins. The right side is built: its rows in one batch, grouped by the equal keys of the condition. The
 * left side is pushed through: each row is looked up and paired with the rows of its group; what of the condition is
 * not an equality of both sides is computed over the pairs. Without equalities all right rows are one group (nested
 * loops). Rows without a match are added for outer joins: of the left at the end of each batch, of the right by a
 * source that runs afterwards. */
#include "exec/join_condition.h"
#include "exec/gather.h"
#include "exec/groups.h"
#include "sql/function.h"

struct join {
    struct operator base;
    enum join_type type;
    struct program *left_keys, *right_keys; /* NULL: no equalities */
    struct program *residual;               /* over left and right columns; NULL: none */
    const struct type **key_types;
    bool *null_safe;
    size_t key_count, left_count, right_count;
    const struct type *right_schema, *pair_schema;
};

struct join_shared {
    struct world_mutex lock;
    bool begun;
    struct gather gather;
    struct batch *right;
    struct groups groups;
    uint32_t *starts, *rows; /* rows of group g: rows[starts[g]] … rows[starts[g + 1]], in right's arena */
    uint8_t *matched;        /* per right row */
};

/* Operators that read what the build side made. */
struct join_user {
    struct operator base;
    const struct join *join;
};

struct build_local {
    struct gather gather;
    size_t counted;
};

struct probe_local {
    struct arena scratch;
    struct batch *in;
    uint32_t *groups; /* per left row, UINT32_MAX: none */
    uint8_t *matched; /* per left row */
    size_t row;
    uint32_t next; /* position in rows, of the row's group */
    bool ended;    /* all pairs were made; the rest is left rows */
};

/* ---- build ---- */

static bool build_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct join_shared *shared = state;
    world_mutex_init(&shared->lock);
    shared->begun = true;
    return true;
}

static enum op_result build_step(struct op_run *run, struct batch *in, struct batch **out) {
    struct build_local *local = run->local;
    gather_add(&local->gather, in, run->partition);
    int64_t change = (int64_t)local->gather.memory_size - (int64_t)local->counted;
    local->counted = local->gather.memory_size;
    return exec_memory_add(run, change, run->error) ? OP_NEED_INPUT : OP_FAILED;
}

static bool build_combine(struct op_run *run) {
    struct join_shared *shared = run->shared;
    struct build_local *local = run->local;
    world_mutex_lock(&shared->lock);
    gather_move(&shared->gather, &local->gather);
    world_mutex_unlock(&shared->lock);
    return true;
}

static void build_local_end(struct op_run *run) {
    gather_free(&((struct build_local *)run->local)->gather);
}

/* Rows that cannot match because a key is null get UINT32_MAX. */
static void drop_null_keys(const struct join *join, struct column *const *keys, size_t row_count, uint32_t *numbers) {
    for (size_t i = 0; i < join->key_count; i++) {
        if (join->null_safe[i] || keys[i]->validity == NULL) {
            continue;
        }
        for (size_t row = 0; row < row_count; row++) {
            if (column_is_null(keys[i], row)) {
                numbers[row] = UINT32_MAX;
            }
        }
    }
}

/* Sorts the right rows by group (counting sort). */
static void group_rows(struct join_shared *shared, const uint32_t *numbers, size_t group_count) {
    struct arena *arena = &shared->right->arena;
    size_t row_count = shared->right->row_count;
    shared->starts = ARENA_ARRAY(arena, uint32_t, group_count + 2);
    shared->rows = ARENA_ARRAY(arena, uint32_t, row_count);
    for (size_t i = 0; i < row_count; i++) {
        if (numbers[i] != UINT32_MAX) {
            shared->starts[numbers[i] + 2]++;
        }
    }
    for (size_t g = 2; g < group_count + 2; g++) {
        shared->starts[g] += shared->starts[g - 1];
    }
    for (size_t i = 0; i < row_count; i++) {
        if (numbers[i] != UINT32_MAX) {
            shared->rows[shared->starts[numbers[i] + 1]++] = (uint32_t)i;
        }
    }
}

static enum op_result build_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    const struct join *join = (const struct join *)operator;
    struct join_shared *shared = state;
    gather_order(&shared->gather);
    shared->right = gather_concat(&shared->gather, join->right_schema);
    size_t rows = shared->right->row_count;
    shared->matched = ARENA_ARRAY(&shared->right->arena, uint8_t, rows);
    struct arena scratch = {0};
    uint32_t *numbers = ARENA_ARRAY(&scratch, uint32_t, rows), *new_rows = ARENA_ARRAY(&scratch, uint32_t, rows);
    bool done = true;
    size_t group_count = 1;
    if (join->right_keys != NULL) {
        struct frame frame = {.arena = &scratch,
            .settings = operator->settings,
            .error = error,
            .inputs = shared->right->columns,
            .row_count = rows};
        struct column **keys = ARENA_ARRAY(&scratch, struct column *, join->key_count);
        done = program_run(join->right_keys, &frame, keys);
        if (done) {
            groups_init(&shared->groups, join->key_types, join->key_count);
            groups_add(&shared->groups, &scratch, keys, join->key_count, rows, numbers, new_rows);
            drop_null_keys(join, keys, rows, numbers);
            group_count = shared->groups.count;
        }
    }
    if (done) {
        group_rows(shared, numbers, group_count);
    }
    arena_destroy(&scratch);
    return done ? OP_FINISHED : OP_FAILED;
}

static void build_end(const struct operator* operator, void * state) {
    struct join_shared *shared = state;
    gather_free(&shared->gather);
    groups_free(&shared->groups);
    batch_release(shared->right);
    if (shared->begun) {
        world_mutex_destroy(&shared->lock);
    }
}

static const struct operator_class op_join_build_class = {
    .name = "JoinBuild",
    .shared_size = sizeof(struct join_shared),
    .local_size = sizeof(struct build_local),
    .begin = build_begin,
    .end = build_end,
    .local_end = build_local_end,
    .step = build_step,
    .combine = build_combine,
    .finish = build_finish,
};

/* ---- probe ---- */

struct probe_shared {
    struct exec_run *exec;
};

static bool user_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    ((struct probe_shared *)state)->exec = exec;
    return true;
}

static const struct join *join_of(const struct op_run *run) {
    return ((const struct join_user *)run->operator)->join;
}

static struct join_shared *build_of(const struct op_run *run) {
    return exec_run_shared(run->exec, &join_of(run)->base);
}

static bool begin_input(struct op_run *run, struct batch *in) {
    const struct join *join = join_of(run);
    const struct join_shared *shared = build_of(run);
    struct probe_local *local = run->local;
    arena_reset(&local->scratch);
    local->in = batch_retain(in);
    local->row = 0;
    local->ended = false;
    local->groups = ARENA_ARRAY(&local->scratch, uint32_t, in->row_count);
    local->matched = ARENA_ARRAY(&local->scratch, uint8_t, in->row_count);
    if (join->left_keys != NULL) {
        struct column **keys = ARENA_ARRAY(&local->scratch, struct column *, join->key_count);
        if (!op_run_columns(run, join->left_keys, in, &local->scratch, keys)) {
            return false;
        }
        groups_find(&shared->groups, &local->scratch, keys, join->key_count, in->row_count, local->groups);
        drop_null_keys(join, keys, in->row_count, local->groups);
    }
    local->next = in->row_count > 0 && local->groups[0] != UINT32_MAX ? shared->starts[local->groups[0]] : 0;
    return true;
}

/* Up to BATCH_ROWS_TARGET pairs; 0 when there are no more. */
static size_t make_pairs(struct probe_local *local, const struct join_shared *shared, uint32_t *left, uint32_t *right) {
    size_t count = 0;
    while (local->row < local->in->row_count) {
        uint32_t group = local->groups[local->row];
        uint32_t end = group == UINT32_MAX ? 0 : shared->starts[group + 1];
        while (group != UINT32_MAX && local->next < end && count < BATCH_ROWS_TARGET) {
            left[count] = (uint32_t)local->row;
            right[count++] = shared->rows[local->next++];
        }
        if (group != UINT32_MAX && local->next < end) {
            return count;
        }
        if (++local->row < local->in->row_count && local->groups[local->row] != UINT32_MAX) {
            local->next = shared->starts[local->groups[local->row]];
        }
    }
    return count;
}

static struct batch *pair_batch(struct op_run *run, const uint32_t *left, const uint32_t *right, size_t count) {
    const struct join *join = join_of(run);
    const struct join_shared *shared = build_of(run);
    struct probe_local *local = run->local;
    struct batch *pairs = batch_create(join->pair_schema);
    pairs->row_count = count;
    for (size_t i = 0; i < join->left_count; i++) {
        pairs->columns[i] = column_take(&pairs->arena, local->in->columns[i], left, count);
    }
    for (size_t i = 0; i < join->right_count; i++) {
        pairs->columns[join->left_count + i] = column_take(&pairs->arena, shared->right->columns[i], right, count);
    }
    batch_keep(pairs, local->in);
    batch_keep(pairs, shared->right);
    return pairs;
}

static bool gives_pairs(enum join_type type) {
    return type != JOIN_LEFT_SEMI && type != JOIN_LEFT_ANTI && type != JOIN_EXISTENCE;
}

/* Drops pairs for which the rest of the condition is not true; NULL on error. */
static struct batch *apply_residual(
    struct op_run *run, struct batch *pairs, uint32_t *left, uint32_t *right, size_t *count) {
    const struct join *join = join_of(run);
    struct arena scratch = {0};
    struct column *condition;
    if (!op_run_columns(run, join->residual, pairs, &scratch, &condition)) {
        arena_destroy(&scratch);
        batch_release(pairs);
        return NULL;
    }
    uint32_t *kept = ARENA_ARRAY(&scratch, uint32_t, *count + 1);
    size_t kept_count = program_select(condition, *count, kept);
    struct batch *result = pairs;
    if (kept_count < *count) {
        result = batch_take(pairs, kept, kept_count);
        batch_release(pairs);
        for (size_t i = 0; i < kept_count; i++) {
            left[i] = left[kept[i]];
            right[i] = right[kept[i]];
        }
        *count = kept_count;
    }
    arena_destroy(&scratch);
    return result;
}

static bool note_matches(struct op_run *run, const uint32_t *left, const uint32_t *right, size_t count) {
    const struct join *join = join_of(run);
    struct join_shared *shared = build_of(run);
    struct probe_local *local = run->local;
    for (size_t i = 0; i < count; i++) {
        if (join->type == JOIN_LEFT_SINGLE && local->matched[left[i]]) {
            return raise_scalar_subquery_too_many_rows(run->error);
        }
        local->matched[left[i]] = 1;
    }
    if (join->type == JOIN_RIGHT || join->type == JOIN_FULL) {
        for (size_t i = 0; i < count; i++) {
            __atomic_store_n(&shared->matched[right[i]], 1, __ATOMIC_RELAXED);
        }
    }
    return true;
}

/* The left rows that come out after the pairs: without a match (LEFT, FULL, SINGLE, ANTI), with one (SEMI), all
 * (EXISTENCE). */
static struct batch *left_rows(struct op_run *run) {
    const struct join *join = join_of(run);
    struct probe_local *local = run->local;
    size_t rows = local->in->row_count, count = 0;
    uint32_t *indexes = ARENA_ARRAY(&local->scratch, uint32_t, rows);
    if (join->type == JOIN_INNER || join->type == JOIN_CROSS || join->type == JOIN_RIGHT) {
        return NULL;
    }
    for (size_t i = 0; i < rows; i++) {
        bool wanted = join->type == JOIN_EXISTENCE   ? true
                      : join->type == JOIN_LEFT_SEMI ? local->matched[i] != 0
                                                     : local->matched[i] == 0;
        if (wanted) {
            indexes[count++] = (uint32_t)i;
        }
    }
    if (count == 0) {
        return NULL;
    }
    struct batch *out = batch_create(run->operator->schema);
    out->row_count = count;
    for (size_t i = 0; i < join->left_count; i++) {
        out->columns[i] = column_take(&out->arena, local->in->columns[i], indexes, count);
    }
    if (join->type == JOIN_EXISTENCE) {
        struct column *exists = column_create(&out->arena, type_simple(TYPE_BOOLEAN), count);
        memcpy(exists->values, local->matched, count);
        out->columns[join->left_count] = exists;
    } else {
        for (size_t i = join->left_count; i < out->column_count; i++) {
            out->columns[i] = column_create_nulls(&out->arena, out->schema->fields[i].type, 1);
            out->columns[i]->constant = true;
        }
    }
    batch_keep(out, local->in);
    return out;
}

static enum op_result end_input(struct op_run *run, struct batch **out) {
    struct probe_local *local = run->local;
    *out = left_rows(run);
    batch_release(local->in);
    local->in = NULL;
    return OP_NEED_INPUT;
}

static enum op_result probe_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct join *join = join_of(run);
    const struct join_shared *shared = build_of(run);
    struct probe_local *local = run->local;
    if (in != NULL && !begin_input(run, in)) {
        return OP_FAILED;
    }
    uint32_t *left = ARENA_ARRAY(&local->scratch, uint32_t, BATCH_ROWS_TARGET);
    uint32_t *right = ARENA_ARRAY(&local->scratch, uint32_t, BATCH_ROWS_TARGET);
    size_t count;
    while ((count = make_pairs(local, shared, left, right)) > 0) {
        struct batch *pairs = NULL;
        if (gives_pairs(join->type) || join->residual != NULL) {
            pairs = pair_batch(run, left, right, count);
        }
        if (join->residual != NULL && (pairs = apply_residual(run, pairs, left, right, &count)) == NULL) {
            return OP_FAILED;
        }
        if (!note_matches(run, left, right, count)) {
            batch_release(pairs);
            return OP_FAILED;
        }
        if (gives_pairs(join->type) && count > 0) {
            pairs->schema = run->operator->schema;
            *out = pairs;
            return OP_HAVE_OUTPUT;
        }
        batch_release(pairs);
    }
    return end_input(run, out);
}

static void probe_local_end(struct op_run *run) {
    struct probe_local *local = run->local;
    batch_release(local->in);
    arena_destroy(&local->scratch);
}

static void probe_explain(const struct operator* operator, struct buffer * out) {
    static const char *const names[] = {"Inner", "LeftOuter", "RightOuter", "FullOuter", "Cross", "LeftSemi",
        "LeftAnti", "LeftSingle", "ExistenceJoin"};
    const struct join *join = ((const struct join_user *)operator)->join;
    buffer_printf(
        out, "%s, keys=%zu%s", names[join->type], join->key_count, join->residual != NULL ? ", condition" : "");
}

static const struct operator_class op_join_probe_class = {
    .name = "HashJoin",
    .shared_size = sizeof(struct probe_shared),
    .local_size = sizeof(struct probe_local),
    .begin = user_begin,
    .local_end = probe_local_end,
    .step = probe_step,
    .explain = probe_explain,
};

/* ---- right rows without a match ---- */

struct unmatched_local {
    size_t next;
};

static size_t unmatched_partition_count(const struct operator* operator, void * state) {
    return 1;
}

static bool unmatched_begin_partition(struct op_run *run) {
    ((struct unmatched_local *)run->local)->next = 0;
    return true;
}

static enum op_result unmatched_read(struct op_run *run, struct batch **out) {
    const struct join *join = join_of(run);
    const struct join_shared *shared = build_of(run);
    struct unmatched_local *local = run->local;
    struct batch *batch = batch_create(run->operator->schema);
    uint32_t *indexes = ARENA_ARRAY(&batch->arena, uint32_t, BATCH_ROWS_TARGET);
    size_t count = 0;
    for (; local->next < shared->right->row_count && count < BATCH_ROWS_TARGET; local->next++) {
        if (!shared->matched[local->next]) {
            indexes[count++] = (uint32_t)local->next;
        }
    }
    if (count == 0) {
        batch_release(batch);
        return OP_NEED_INPUT;
    }
    batch->row_count = count;
    for (size_t i = 0; i < join->left_count; i++) {
        batch->columns[i] = column_create_nulls(&batch->arena, batch->schema->fields[i].type, 1);
        batch->columns[i]->constant = true;
    }
    for (size_t i = 0; i < join->right_count; i++) {
        batch->columns[join->left_count + i] = column_take(&batch->arena, shared->right->columns[i], indexes, count);
    }
    batch_keep(batch, shared->right);
    *out = batch;
    return OP_HAVE_OUTPUT;
}

static const struct operator_class op_join_unmatched_class = {
    .name = "JoinUnmatched",
    .shared_size = sizeof(struct probe_shared),
    .local_size = sizeof(struct unmatched_local),
    .begin = user_begin,
    .partition_count = unmatched_partition_count,
    .begin_partition = unmatched_begin_partition,
    .read = unmatched_read,
};

/* ---- creation ---- */

static const struct type *joined_type(struct arena *arena, const struct type *left, const struct type *right) {
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, left->field_count + right->field_count);
    memcpy(fields, left->fields, left->field_count * sizeof *fields);
    memcpy(fields + left->field_count, right->fields, right->field_count * sizeof *fields);
    return type_struct(arena, fields, left->field_count + right->field_count);
}

struct operator* op_join_build_create(struct compile *compile, const struct relation *relation) {
    const struct relation_join *node = relation_join_of(relation);
    struct arena *arena = compile->arena;
    struct join *join = ARENA_NEW(arena, struct join);
    struct join_parts *parts = ARENA_NEW(arena, struct join_parts);
    const struct type *left_schema = relation_output_type(arena, node->left);
    join->type = node->type;
    join->left_count = node->left->output_count;
    join->right_count = node->right->output_count;
    join->right_schema = relation_output_type(arena, node->right);
    join->pair_schema = joined_type(arena, left_schema, join->right_schema);
    parts->arena = arena;
    parts->left_count = join->left_count;
    if (node->condition != NULL) {
        join_split_condition(parts, node->condition);
    }
    join->key_count = parts->key_count;
    join->null_safe = parts->null_safe;
    if (parts->key_count > 0) {
        join->key_types = ARENA_ARRAY(arena, const struct type *, parts->key_count);
        for (size_t i = 0; i < parts->key_count; i++) {
            join->key_types[i] = parts->right[i]->type;
        }
        join->left_keys =
            program_compile(arena, compile->settings, parts->left, parts->key_count, join->left_count, compile->error);
        join->right_keys = join->left_keys == NULL ? NULL
                                                   : program_compile(arena, compile->settings, parts->right,
                                                         parts->key_count, join->right_count, compile->error);
        if (join->right_keys == NULL) {
            return NULL;
        }
    }
    if (parts->residual != NULL) {
        join->residual = program_compile(
            arena, compile->settings, &parts->residual, 1, join->left_count + join->right_count, compile->error);
        if (join->residual == NULL) {
            return NULL;
        }
    }
    return operator_init(compile, &join->base, &op_join_build_class, relation);
}

static struct operator* user_create(struct compile *compile, const struct relation *relation,
    const struct operator_class *class, struct operator* build) {
    struct join_user *user = ARENA_NEW(compile->arena, struct join_user);
    user->join = (const struct join *)build;
    return operator_init(compile, &user->base, class, relation);
}

struct operator*
    op_join_probe_create(struct compile *compile, const struct relation *relation, struct operator* build) {
    return user_create(compile, relation, &op_join_probe_class, build);
}

struct operator*
    op_join_unmatched_create(struct compile *compile, const struct relation *relation, struct operator* build) {
    return user_create(compile, relation, &op_join_unmatched_class, build);
}

bool op_join_needs_unmatched(const struct operator* build) {
    enum join_type type = ((const struct join *)build)->type;
    return type == JOIN_RIGHT || type == JOIN_FULL;
}
