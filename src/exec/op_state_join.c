/* op_state_join.c: a join of two streams. Both sides' rows are kept: per side the number of rows of each key, and the
 * rows under key and index, with a mark for those that found a partner, as Spark keeps them (its format 2). In each
 * state partition the batch's left rows meet the right rows kept so far and are then kept themselves; the batch's right
 * rows meet all left rows; then what cannot find a partner any more (state_join.h) is forgotten, and outer joins put
 * out what never found one. */
#include <stdlib.h>

#include "exec/join_condition.h"
#include "exec/query.h"
#include "exec/state_input.h"
#include "exec/state_join.h"
#include "sql/function.h"

enum { LEFT, RIGHT, KEY_SIZE_MAX = 1 << 20 };

struct side {
    struct operator* input;
    struct program *keys, *filter; /* filter: conditions on this side alone; may be NULL */
    size_t column_count;
    const struct type *row_type, *value_type; /* value_type: with the mark behind */
    size_t time_column;                       /* SIZE_MAX: no event time */
    bool time_window;
    bool drops_null_keys, outer;
    struct join_limit limit;
    struct exec_store *counts, *values;
};

struct state_join {
    struct operator base;
    struct exec_state *state;
    enum join_type type;
    size_t key_count;
    const struct type *key_type;
    struct side sides[2];
    struct program *residual;
    const struct type *pair_schema;
};

/* What gathers a side's rows. */
struct join_input {
    struct operator base;
    const struct state_join *join;
    int side;
};

struct join_local {
    VECTOR(struct batch *) results;
    size_t next;
    bool done;
};

/* ---- a side's rows in ---- */

static size_t drop_null_keys(struct column *const *keys, size_t key_count, uint32_t *rows, size_t count) {
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        bool null = false;
        for (size_t k = 0; k < key_count; k++) {
            null = null || column_is_null(keys[k], rows[i]);
        }
        rows[kept] = rows[i];
        kept += !null;
    }
    return kept;
}

static enum op_result input_step(struct op_run *run, struct batch *in, struct batch **out) {
    const struct join_input *operator=(const struct join_input *) run->operator;
    const struct state_join *join = operator->join;
    const struct side *side = &join->sides[operator->side];
    struct arena arena = {0};
    uint32_t *rows = ARENA_ARRAY(&arena, uint32_t, in->row_count + 1);
    struct column **keys = ARENA_ARRAY(&arena, struct column *, join->key_count + 1);
    size_t count = in->row_count;
    if (!op_run_columns(run, side->keys, in, &arena, keys)) {
        arena_destroy(&arena);
        return OP_FAILED;
    }
    for (size_t i = 0; i < join->key_count; i++) {
        keys[i] = column_flatten(&arena, keys[i], in->row_count);
    }
    for (size_t i = 0; i < count; i++) {
        rows[i] = (uint32_t)i;
    }
    if (side->time_column != SIZE_MAX) {
        count = state_input_select(
            in->columns[side->time_column], side->time_window, in->row_count, join->state->late_watermark_ms, rows);
        __atomic_fetch_add(&join->state->rows_dropped, (int64_t)(in->row_count - count), __ATOMIC_RELAXED);
    }
    if (side->drops_null_keys) {
        count = drop_null_keys(keys, join->key_count, rows, count);
    }
    bool good = exec_memory_add(run, (int64_t)batch_memory_size(in), run->error);
    state_input_add(run->shared, run, in, &arena, keys, join->key_count, rows, count, join->state->partition_count);
    return good ? OP_NEED_INPUT : OP_FAILED;
}

static bool input_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    state_input_begin(state);
    return true;
}

static void input_end(const struct operator* operator, void * state) {
    state_input_end(state);
}

static enum op_result input_finish(
    const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    state_input_order(state);
    return OP_FINISHED;
}

static const struct operator_class op_join_input_class = {
    .name = "StreamingJoinInput",
    .shared_size = sizeof(struct state_input),
    .begin = input_begin,
    .end = input_end,
    .step = input_step,
    .finish = input_finish,
};

/* ---- the state ---- */

static bool is_behind_row(const struct type *type) {
    return type_value_size(type) == 0 || type_value_size(type) == 16;
}

/* The image of (key fields…, index) from that of the key: one word more, so what lies behind moves by eight bytes. */
static void write_index_key(const struct state_join *join, struct bytes key, int64_t index, uint8_t *to) {
    size_t count = join->key_count, fixed = 8 + count * 8;
    memcpy(to, key.data, fixed);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = load_le64(to + 8 + i * 8);
        if (is_behind_row(join->key_type->fields[i].type) && word != 0) {
            store_le64(to + 8 + i * 8, word + ((uint64_t)8 << 32));
        }
    }
    store_le64(to + fixed, (uint64_t)index);
    memcpy(to + fixed + 8, key.data + fixed, key.size - fixed);
}

/* And back: the key of what write_index_key made. */
static void write_key(const struct state_join *join, struct bytes indexed, uint8_t *to) {
    size_t count = join->key_count, fixed = 8 + count * 8;
    memcpy(to, indexed.data, fixed);
    for (size_t i = 0; i < count; i++) {
        uint64_t word = load_le64(to + 8 + i * 8);
        if (is_behind_row(join->key_type->fields[i].type) && word != 0) {
            store_le64(to + 8 + i * 8, word - ((uint64_t)8 << 32));
        }
    }
    memcpy(to + fixed, indexed.data + fixed + 8, indexed.size - fixed - 8);
}

/* Images of keys, gathered to be looked up together. */
struct gathered_keys {
    struct buffer bytes;
    VECTOR(uint64_t) ends;
    struct row_images images; /* after gathered_keys_end */
};

static uint8_t *gathered_keys_extend(struct gathered_keys *keys, size_t size) {
    if (keys->ends.count == 0) {
        VECTOR_PUSH(&keys->ends, 0);
    }
    uint8_t *place = buffer_extend(&keys->bytes, size);
    VECTOR_PUSH(&keys->ends, keys->bytes.size);
    return place;
}

static const struct row_images *gathered_keys_end(struct gathered_keys *keys) {
    size_t count = keys->ends.count == 0 ? 0 : keys->ends.count - 1;
    keys->images = (struct row_images){keys->bytes.data, keys->ends.items, count};
    return &keys->images;
}

static void gathered_keys_free(struct gathered_keys *keys) {
    buffer_free(&keys->bytes);
    VECTOR_FREE(&keys->ends);
}

static struct state_table *counts_of(const struct side *side, size_t partition) {
    return &side->counts->tables[partition];
}
static struct state_table *values_of(const struct side *side, size_t partition) {
    return &side->values->tables[partition];
}

static int64_t count_at(const struct state_table *table, uint32_t entry) {
    return entry == UINT32_MAX || !table->entries[entry].present
               ? 0
               : row_image_word(state_entry_value(&table->entries[entry]), 1, 0);
}

static void set_count(struct state_table *table, uint32_t entry, int64_t count) {
    uint8_t image[16] = {0};
    store_le64(image + 8, (uint64_t)count);
    if (count > 0) {
        state_table_put(table, entry, bytes_make(image, sizeof image));
    } else {
        state_table_remove(table, entry);
    }
}

/* The mark is the byte of the last field. */
static size_t mark_offset(const struct side *side) {
    return (side->column_count + 1 + 63) / 64 * 8 + side->column_count * 8;
}

static bool is_marked(const struct side *side, const struct state_entry *entry) {
    return entry->data[entry->key_size + mark_offset(side)] != 0;
}

static void set_mark(const struct side *side, struct state_table *table, uint32_t number) {
    struct state_entry *entry = &table->entries[number];
    entry->data[entry->key_size + mark_offset(side)] = 1;
    state_table_put(table, number, state_entry_value(entry)); /* notes the change */
}

/* The time by which a side forgets a row (or a key), in microseconds; INT64_MAX: never. */
static int64_t time_of(
    const struct state_join *join, const struct side *side, struct bytes key, struct bytes row, size_t row_fields) {
    bool by_key = side->limit.by == JOIN_FORGETS_BY_KEY, window = by_key ? side->limit.window : side->time_window;
    struct bytes image = by_key ? key : row;
    size_t field = by_key ? side->limit.key : side->time_column, fields = by_key ? join->key_count : row_fields;
    if (side->limit.by == JOIN_KEEPS_ALL || side->limit.never || row_image_is_null(image, field)) {
        return INT64_MAX;
    }
    int64_t word = row_image_word(image, fields, field);
    if (window) {
        struct bytes inner = bytes_slice(image, (size_t)((uint64_t)word >> 32), (size_t)(word & 0xffffffff));
        return row_image_is_null(inner, 1) ? INT64_MAX : row_image_word(inner, 2, 1);
    }
    return word;
}

/* What is not later than this is forgotten. */
static int64_t time_limit(const struct state_join *join, const struct side *side) {
    int64_t offset_ms = side->limit.by == JOIN_FORGETS_BY_KEY ? 0 : side->limit.offset_ms;
    return (join->state->eviction_watermark_ms + offset_ms) * 1000;
}

static bool is_passed(
    const struct state_join *join, const struct side *side, struct bytes key, struct bytes row, size_t row_fields) {
    int64_t time = time_of(join, side, key, row, row_fields);
    return time != INT64_MAX && time <= time_limit(join, side);
}

/* ---- the rows of a key ----
 *
 * On disk a row is found by its key and index. Here the newest row of a key is named by the mark of the key's entry,
 * each older one by the mark of the next newer (entry + 1; 0: none), so that nothing is looked up for a pair, and the
 * rows' table needs no slots. */

/* Fetches the rows of some keys into the cache, all keys' newest rows at once, then the next older ones. newest: entry
 * + 1, as in the marks. */
static void fetch_rows(const struct state_table *values, const uint32_t *newest, size_t count) {
    enum { TOGETHER = 64 };
    for (size_t from = 0; from < count; from += TOGETHER) {
        uint32_t rows[TOGETHER];
        size_t left = 0;
        for (size_t i = from; i < count && i < from + TOGETHER; i++) {
            rows[left] = newest[i];
            left += newest[i] != 0;
        }
        for (size_t i = 0; i < left; i++) {
            __builtin_prefetch(&values->entries[rows[i] - 1]);
        }
        while (left > 0) {
            size_t older = 0;
            for (size_t i = 0; i < left; i++) {
                const struct state_entry *entry = &values->entries[rows[i] - 1];
                __builtin_prefetch(entry->data);
                __builtin_prefetch(entry->data + 64);
                if (entry->mark != 0) {
                    __builtin_prefetch(&values->entries[entry->mark - 1]);
                    rows[older++] = entry->mark;
                }
            }
            left = older;
        }
    }
}

/* Of a table that was read from disk. */
static void link_rows(const struct state_join *join, const struct side *side, size_t partition) {
    struct state_table *counts = counts_of(side, partition), *values = values_of(side, partition);
    if (values->is_linked) {
        return;
    }
    struct gathered_keys keys = {0};
    VECTOR(uint32_t) rows = {0};
    for (size_t i = 0; i < values->entry_count; i++) {
        const struct state_entry *entry = &values->entries[i];
        if (entry->data != NULL && entry->present && entry->key_size >= 16 + join->key_count * 8) {
            write_key(join, state_entry_key(entry), gathered_keys_extend(&keys, entry->key_size - 8));
            VECTOR_PUSH(&rows, (uint32_t)i);
        }
    }
    size_t *firsts = calloc(counts->entry_count + 1, sizeof *firsts), total = 0;
    uint32_t *found = calloc(rows.count + 1, sizeof *found);
    ASSERT(firsts != NULL && found != NULL);
    for (size_t i = 0; i < counts->entry_count; i++) {
        firsts[i] = total;
        total += counts->entries[i].data != NULL ? (size_t)count_at(counts, (uint32_t)i) : 0;
    }
    uint32_t *places = calloc(total + 1, sizeof *places);
    ASSERT(places != NULL);
    state_table_find_all(counts, gathered_keys_end(&keys), found);
    for (size_t i = 0; i < rows.count; i++) {
        const struct state_entry *entry = &values->entries[rows.items[i]];
        int64_t index = (int64_t)load_le64(entry->data + 8 + join->key_count * 8);
        if (found[i] != UINT32_MAX && index >= 0 && index < count_at(counts, found[i])) {
            places[firsts[found[i]] + (size_t)index] = rows.items[i] + 1;
        }
    }
    for (size_t i = 0; i < counts->entry_count; i++) {
        size_t end = i + 1 < counts->entry_count ? firsts[i + 1] : total;
        uint32_t newest = 0;
        for (size_t place = firsts[i]; place < end; place++) {
            if (places[place] != 0) {
                values->entries[places[place] - 1].mark = newest;
                newest = places[place];
            }
        }
        counts->entries[i].mark = newest;
    }
    free(places);
    free(found);
    free(firsts);
    VECTOR_FREE(&rows);
    gathered_keys_free(&keys);
    state_table_unindex(values);
}

/* ---- one partition ---- */

static void add_result(struct join_local *local, struct batch *batch) {
    if (batch != NULL) {
        VECTOR_PUSH(&local->results, batch);
    }
}

/* Rows of one side with nulls for the other; the columns are the side's own. */
static struct batch *alone(
    const struct state_join *join, int side, struct column *const *columns, size_t count, struct batch *keep) {
    struct batch *batch = batch_create(join->base.schema);
    batch->row_count = count;
    for (size_t s = 0, at = 0; s < 2; s++) {
        for (size_t i = 0; i < join->sides[s].column_count; i++, at++) {
            batch->columns[at] =
                (int)s == side ? column_copy(&batch->arena, columns[i])
                               : column_create_nulls(&batch->arena, join->sides[s].row_type->fields[i].type, count);
        }
    }
    if (keep != NULL) {
        batch_keep(batch, keep);
    }
    return batch;
}

/* The rows of an input batch that are of this partition and pass the side's own conditions; those that do not come out
 * at once in an outer join. */
struct meeting {
    struct batch *rows;
    struct arena arena;
    struct column **keys;
    struct row_images images; /* of the keys */
    bool *matched;
    VECTOR(uint32_t) mine, theirs; /* pairs: row, entry of the other side */
};

static bool begin_meeting(struct op_run *run, int s, struct meeting *meeting) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct side *side = &join->sides[s];
    struct arena *arena = &meeting->arena;
    size_t count = meeting->rows->row_count;
    if (side->filter != NULL) {
        struct column *condition;
        if (!op_run_columns(run, side->filter, meeting->rows, arena, &condition)) {
            return false;
        }
        uint32_t *passed = ARENA_ARRAY(arena, uint32_t, count + 1), *failed = ARENA_ARRAY(arena, uint32_t, count + 1);
        size_t pass_count = program_select(condition, count, passed), fail_count = 0;
        for (size_t i = 0, at = 0; i < count; i++) {
            if (at < pass_count && passed[at] == i) {
                at++;
            } else {
                failed[fail_count++] = (uint32_t)i;
            }
        }
        if (side->outer && fail_count > 0) {
            struct batch *out = batch_take(meeting->rows, failed, fail_count);
            add_result(run->local, alone(join, s, out->columns, fail_count, out));
            batch_release(out);
        }
        struct batch *kept = batch_take(meeting->rows, passed, pass_count);
        batch_release(meeting->rows);
        meeting->rows = kept;
        for (size_t i = 0; i < join->key_count; i++) {
            meeting->keys[i] = column_take(arena, meeting->keys[i], passed, pass_count);
        }
        count = pass_count;
    }
    row_images_encode(arena, meeting->keys, join->key_count, count, &meeting->images);
    meeting->matched = ARENA_ARRAY(arena, bool, count + 1);
    return true;
}

static void end_meeting(struct meeting *meeting) {
    batch_release(meeting->rows);
    VECTOR_FREE(&meeting->mine);
    VECTOR_FREE(&meeting->theirs);
    arena_destroy(&meeting->arena);
}

static void find_pairs(struct op_run *run, int s, struct meeting *meeting) {
    enum { TOGETHER = 256 };
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct side *other = &join->sides[1 - s];
    const struct state_table *counts = counts_of(other, run->source_partition),
                             *values = values_of(other, run->source_partition);
    size_t row_count = meeting->rows->row_count;
    uint32_t *newest = arena_allocate(&meeting->arena, (row_count + 1) * sizeof *newest);
    state_table_find_all(counts, &meeting->images, newest);
    for (size_t i = 0; i < row_count; i++) {
        newest[i] = newest[i] == UINT32_MAX ? 0 : counts->entries[newest[i]].mark;
    }
    for (size_t i = 0; i < row_count; i++) {
        size_t first = meeting->theirs.count;
        if (i % TOGETHER == 0) {
            fetch_rows(values, newest + i, row_count - i < TOGETHER ? row_count - i : TOGETHER);
        }
        for (uint32_t row = newest[i]; row != 0; row = values->entries[row - 1].mark) {
            VECTOR_PUSH(&meeting->mine, (uint32_t)i);
            VECTOR_PUSH(&meeting->theirs, row - 1);
        }
        for (size_t last = meeting->theirs.count; last > first + 1; first++, last--) { /* oldest first */
            uint32_t swapped = meeting->theirs.items[first];
            meeting->theirs.items[first] = meeting->theirs.items[last - 1];
            meeting->theirs.items[last - 1] = swapped;
        }
    }
}

/* The pairs as a batch, left columns first; NULL when the state does not hold such rows. */
static struct batch *pair_batch(struct op_run *run, int s, const struct meeting *meeting) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct side *mine = &join->sides[s], *theirs = &join->sides[1 - s];
    const struct state_table *table = values_of(theirs, run->source_partition);
    size_t count = meeting->mine.count;
    struct batch *pairs = batch_create(join->pair_schema);
    struct bytes *images = ARENA_ARRAY(&pairs->arena, struct bytes, count + 1);
    struct column **read = ARENA_ARRAY(&pairs->arena, struct column *, theirs->column_count + 1);
    pairs->row_count = count;
    for (size_t i = 0; i < count; i++) {
        images[i] = state_entry_value(&table->entries[meeting->theirs.items[i]]);
    }
    if (!row_images_decode(&pairs->arena, theirs->value_type, images, count, read)) {
        batch_release(pairs);
        raise_internal_error(run->error, "a value of the state is no row of the join");
        return NULL;
    }
    size_t my_first = s == LEFT ? 0 : theirs->column_count, their_first = s == LEFT ? mine->column_count : 0;
    for (size_t i = 0; i < mine->column_count; i++) {
        pairs->columns[my_first + i] =
            column_take(&pairs->arena, meeting->rows->columns[i], meeting->mine.items, count);
    }
    for (size_t i = 0; i < theirs->column_count; i++) {
        pairs->columns[their_first + i] = read[i];
    }
    batch_keep(pairs, meeting->rows);
    return pairs;
}

/* Marks both partners of the pairs that the condition keeps; lists those to put out. A semi join puts a left row out
 * with its first partner only. */
static size_t note_pairs(
    struct op_run *run, int s, struct meeting *meeting, const uint32_t *kept, size_t kept_count, uint32_t *shown) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct side *other = &join->sides[1 - s];
    struct state_table *table = values_of(other, run->source_partition);
    bool semi = join->type == JOIN_LEFT_SEMI;
    size_t count = 0;
    for (size_t i = 0; i < kept_count; i++) {
        uint32_t mine = meeting->mine.items[kept[i]], theirs = meeting->theirs.items[kept[i]];
        bool seen = is_marked(other, &table->entries[theirs]);
        if (semi && s == RIGHT && seen) {
            continue; /* that left row has come out */
        }
        bool first = !meeting->matched[mine];
        meeting->matched[mine] = true;
        if (!seen) {
            set_mark(other, table, theirs);
        }
        if (!semi || s == RIGHT || first) {
            shown[count++] = kept[i];
        }
    }
    return count;
}

static bool join_pairs(struct op_run *run, int s, struct meeting *meeting) {
    const struct state_join *join = (const struct state_join *)run->operator;
    size_t count = meeting->mine.count, kept_count = count;
    if (count == 0) {
        return true;
    }
    struct batch *pairs = pair_batch(run, s, meeting);
    struct column *condition;
    uint32_t *kept = ARENA_ARRAY(&meeting->arena, uint32_t, count + 1),
             *shown = ARENA_ARRAY(&meeting->arena, uint32_t, count + 1);
    if (pairs == NULL ||
        (join->residual != NULL && !op_run_columns(run, join->residual, pairs, &meeting->arena, &condition))) {
        batch_release(pairs);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        kept[i] = (uint32_t)i;
    }
    if (join->residual != NULL) {
        kept_count = program_select(condition, count, kept);
    }
    size_t shown_count = note_pairs(run, s, meeting, kept, kept_count, shown);
    if (shown_count > 0) {
        struct batch *taken = batch_take(pairs, shown, shown_count), *out = batch_create(join->base.schema);
        out->row_count = shown_count;
        for (size_t i = 0; i < out->column_count; i++) {
            out->columns[i] = taken->columns[i]; /* of a semi join only the left ones */
        }
        batch_keep(out, taken);
        batch_release(taken);
        add_result(run->local, out);
    }
    batch_release(pairs);
    return true;
}

/* The images of the rows with their marks. */
static void encode_rows(
    const struct side *side, const struct meeting *meeting, struct arena *arena, struct row_images *images) {
    size_t count = meeting->rows->row_count;
    struct column **columns = ARENA_ARRAY(arena, struct column *, side->column_count + 1);
    struct column *marks = column_create(arena, type_simple(TYPE_BOOLEAN), count);
    for (size_t i = 0; i < side->column_count; i++) {
        columns[i] = meeting->rows->columns[i];
    }
    for (size_t i = 0; i < count; i++) {
        COLUMN_VALUES(marks, uint8_t)[i] = meeting->matched[i];
    }
    columns[side->column_count] = marks;
    row_images_encode(arena, columns, side->column_count + 1, count, images);
}

/* Lists the rows that partners may still come for, and their keys. */
static size_t list_kept(const struct state_join *join, int s, const struct meeting *meeting,
    const struct row_images *rows, uint32_t *kept, struct row_images *keys, struct arena *arena) {
    const struct side *side = &join->sides[s];
    bool second = s == (join->type == JOIN_LEFT_SEMI ? LEFT : RIGHT);
    size_t count = 0;
    uint64_t size = 0;
    *keys = (struct row_images){arena_allocate(arena, (size_t)meeting->images.offsets[rows->row_count] + 1),
        ARENA_ARRAY(arena, uint64_t, rows->row_count + 1), 0};
    for (size_t i = 0; i < rows->row_count; i++) {
        struct bytes own = row_images_at(&meeting->images, i), row = row_images_at(rows, i);
        bool unmatched_outer = side->outer && !meeting->matched[i];
        bool came_out = join->type == JOIN_LEFT_SEMI && s == LEFT && meeting->matched[i];
        /* Rows of the side that goes first meet the other side's rows of this batch, even when they are over already.
         */
        bool over = second && !unmatched_outer && is_passed(join, side, own, row, side->column_count + 1);
        if (!came_out && !over) {
            memcpy(keys->bytes + size, own.data, own.size);
            size += own.size;
            kept[count++] = (uint32_t)i;
            keys->offsets[count] = size;
        }
    }
    keys->row_count = count;
    return count;
}

/* Keeps the rows for partners to come. */
static void keep_rows(struct op_run *run, int s, const struct meeting *meeting) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct side *side = &join->sides[s];
    struct state_table *counts = counts_of(side, run->source_partition),
                       *values = values_of(side, run->source_partition);
    struct arena arena = {0};
    struct row_images rows, keys;
    uint32_t *kept = ARENA_ARRAY(&arena, uint32_t, meeting->rows->row_count + 1),
             *entries = ARENA_ARRAY(&arena, uint32_t, meeting->rows->row_count + 1);
    encode_rows(side, meeting, &arena, &rows);
    size_t count = list_kept(join, s, meeting, &rows, kept, &keys, &arena);
    state_table_add_all(counts, &keys, entries);
    for (size_t i = 0; i < count; i++) {
        struct bytes key = row_images_at(&keys, i), row = row_images_at(&rows, kept[i]);
        int64_t number = count_at(counts, entries[i]);
        set_count(counts, entries[i], number + 1);
        uint32_t value = state_table_append(values, key.size + 8);
        write_index_key(join, key, number, values->entries[value].data);
        values->entries[value].mark = counts->entries[entries[i]].mark;
        counts->entries[entries[i]].mark = value + 1;
        state_table_put(values, value, row);
        state_table_note_time(values, value, time_of(join, side, key, row, side->column_count + 1));
    }
    __atomic_fetch_add(&join->state->rows_updated, (int64_t)count, __ATOMIC_RELAXED);
    arena_destroy(&arena);
}

static bool meet_side(struct op_run *run, int s) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct state_input *input = exec_run_shared(run->exec, join->sides[s].input);
    bool good = true;
    for (size_t next = 0; next < input->items.count && good;) {
        struct meeting meeting = {0};
        next = state_input_gather(
            input, next, run->source_partition, join->key_count, &meeting.arena, &meeting.rows, &meeting.keys);
        if (meeting.rows != NULL) {
            good = begin_meeting(run, s, &meeting);
            if (good) {
                find_pairs(run, s, &meeting);
                good = join_pairs(run, s, &meeting);
            }
            if (good) {
                keep_rows(run, s, &meeting);
            }
        }
        end_meeting(&meeting);
    }
    return good;
}

/* ---- forgetting ---- */

struct forgotten {
    struct arena arena;
    VECTOR(uint32_t) passed;   /* entries of rows that are over */
    VECTOR(uint32_t) of_key;   /* of one key, the newest first */
    VECTOR(struct bytes) rows; /* without a partner, of an outer side */
    int64_t count;
};

/* Takes the rows of one key that are over; the last one moves into a gap. */
static void forget_key(struct op_run *run, const struct side *side, uint32_t counted, struct forgotten *forgotten) {
    const struct state_join *join = (const struct state_join *)run->operator;
    struct state_table *values = values_of(side, run->source_partition),
                       *counts = counts_of(side, run->source_partition);
    struct bytes key = state_entry_key(&counts->entries[counted]);
    int64_t before = count_at(counts, counted);
    forgotten->of_key.count = 0;
    for (uint32_t row = counts->entries[counted].mark; row != 0; row = values->entries[row - 1].mark) {
        VECTOR_PUSH(&forgotten->of_key, row - 1);
    }
    uint32_t *newest_first = forgotten->of_key.items;
    size_t count = forgotten->of_key.count;
    if ((int64_t)count != before) {
        return; /* not as it was written: left as it is */
    }
    size_t gone = 0;                    /* of the newest ones */
    for (size_t i = count; i > gone;) { /* from the oldest on */
        uint32_t entry = newest_first[i - 1];
        struct bytes row = state_entry_value(&values->entries[entry]);
        if (!is_passed(join, side, key, row, side->column_count + 1)) {
            i--;
            continue;
        }
        if (side->outer && !is_marked(side, &values->entries[entry])) {
            VECTOR_PUSH(&forgotten->rows, arena_copy(&forgotten->arena, row));
        }
        uint32_t last = newest_first[gone++];
        if (last != entry) {
            struct bytes moved = state_entry_value(&values->entries[last]);
            state_table_put(values, entry, moved);
            state_table_note_time(values, entry, time_of(join, side, key, moved, side->column_count + 1));
        }
        state_table_remove(values, last);
    }
    if (gone > 0) {
        counts->entries[counted].mark = gone < count ? newest_first[gone] + 1 : 0;
        set_count(counts, counted, (int64_t)(count - gone));
        forgotten->count += (int64_t)gone;
    }
}

/* By the join's key. */
static void forget_keys(struct op_run *run, const struct side *side, struct forgotten *forgotten) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct state_table *counts = counts_of(side, run->source_partition);
    for (size_t i = 0; i < counts->entry_count; i++) {
        const struct state_entry *entry = &counts->entries[i];
        if (entry->data != NULL && entry->present &&
            is_passed(join, side, state_entry_key(entry), BYTES_NULL, side->column_count + 1)) {
            forget_key(run, side, (uint32_t)i, forgotten);
        }
    }
}

/* Lists the rows that are over and their keys, looking only where there may be some. */
static void list_passed_rows(const struct state_join *join, const struct side *side, struct state_table *values,
    struct forgotten *forgotten, struct gathered_keys *keys) {
    int64_t limit = time_limit(join, side);
    for (size_t from = 0; from < values->entry_count; from += STATE_CHUNK) {
        size_t end = from + STATE_CHUNK < values->entry_count ? from + STATE_CHUNK : values->entry_count;
        int64_t low = INT64_MAX;
        if (state_table_low(values, from / STATE_CHUNK) > limit) {
            continue;
        }
        for (size_t i = from; i < end; i++) {
            const struct state_entry *entry = &values->entries[i];
            if (entry->data == NULL || !entry->present || entry->key_size < 16 + join->key_count * 8) {
                continue;
            }
            int64_t time = time_of(join, side, BYTES_NULL, state_entry_value(entry), side->column_count + 1);
            if (time <= limit && time != INT64_MAX) {
                write_key(join, state_entry_key(entry), gathered_keys_extend(keys, entry->key_size - 8));
                VECTOR_PUSH(&forgotten->passed, (uint32_t)i);
            } else {
                low = time < low ? time : low;
            }
        }
        state_table_set_low(values, from / STATE_CHUNK, low);
    }
}

/* By the time of each row. */
static void forget_rows(struct op_run *run, const struct side *side, struct forgotten *forgotten) {
    enum { TOGETHER = 256 };
    const struct state_join *join = (const struct state_join *)run->operator;
    struct state_table *values = values_of(side, run->source_partition),
                       *counts = counts_of(side, run->source_partition);
    struct gathered_keys keys = {0};
    uint32_t newest[TOGETHER];
    list_passed_rows(join, side, values, forgotten, &keys);
    const struct row_images *images = gathered_keys_end(&keys);
    uint32_t *found = malloc((images->row_count + 1) * sizeof *found);
    ASSERT(found != NULL);
    state_table_find_all(counts, images, found);
    for (size_t i = 0; i < images->row_count; i++) {
        if (i % TOGETHER == 0) {
            size_t count = images->row_count - i < TOGETHER ? images->row_count - i : TOGETHER;
            for (size_t j = 0; j < count; j++) {
                __builtin_prefetch(&counts->entries[found[i + j] == UINT32_MAX ? 0 : found[i + j]]);
            }
            for (size_t j = 0; j < count; j++) {
                newest[j] = found[i + j] == UINT32_MAX ? 0 : counts->entries[found[i + j]].mark;
            }
            fetch_rows(values, newest, count);
        }
        if (found[i] != UINT32_MAX && values->entries[forgotten->passed.items[i]].present) {
            forget_key(run, side, found[i], forgotten);
        }
    }
    free(found);
    gathered_keys_free(&keys);
}

static bool forget_side(struct op_run *run, int s) {
    const struct state_join *join = (const struct state_join *)run->operator;
    const struct side *side = &join->sides[s];
    struct forgotten forgotten = {0};
    bool good = true;
    if (side->limit.by == JOIN_FORGETS_BY_KEY) {
        forget_keys(run, side, &forgotten);
    } else if (side->limit.by == JOIN_FORGETS_BY_VALUE) {
        forget_rows(run, side, &forgotten);
    }
    if (forgotten.rows.count > 0) {
        struct column **columns = ARENA_ARRAY(&forgotten.arena, struct column *, side->column_count + 1);
        good = row_images_decode(
                   &forgotten.arena, side->value_type, forgotten.rows.items, forgotten.rows.count, columns) ||
               raise_internal_error(run->error, "a value of the state is no row of the join");
        if (good) {
            add_result(run->local, alone(join, s, columns, forgotten.rows.count, NULL));
        }
    }
    __atomic_fetch_add(&join->state->rows_removed, forgotten.count, __ATOMIC_RELAXED);
    VECTOR_FREE(&forgotten.passed);
    VECTOR_FREE(&forgotten.of_key);
    VECTOR_FREE(&forgotten.rows);
    arena_destroy(&forgotten.arena);
    return good;
}

/* ---- as a source ---- */

static bool join_begin(const struct operator* operator, struct exec_run * exec, void *state, struct sql_error *error) {
    struct exec_state *kept = ((const struct state_join *)operator)->state;
    kept->rows_updated = kept->rows_removed = kept->rows_dropped = kept->updates_ns = kept->removals_ns = 0;
    return true;
}

static void clear_results(struct join_local *local) {
    for (size_t i = 0; i < local->results.count; i++) {
        batch_release(local->results.items[i]);
    }
    VECTOR_FREE(&local->results);
}

static void join_local_end(struct op_run *run) {
    clear_results(run->local);
}

static size_t join_partition_count(const struct operator* operator, void * state) {
    return ((const struct state_join *)operator)->state->used_partitions;
}

static bool join_begin_partition(struct op_run *run) {
    struct join_local *local = run->local;
    clear_results(local);
    local->next = 0;
    local->done = false;
    return true;
}

static enum op_result join_read(struct op_run *run, struct batch **out) {
    struct join_local *local = run->local;
    if (!local->done) {
        local->done = true;
        for (int s = LEFT; s <= RIGHT; s++) {
            const struct state_join *join = (const struct state_join *)run->operator;
            link_rows(join, &join->sides[s], run->source_partition);
        }
        /* Of a semi join the right rows go first: a left row that finds a partner at once need not be kept. */
        int first = ((const struct state_join *)run->operator)->type == JOIN_LEFT_SEMI ? RIGHT : LEFT;
        if (!meet_side(run, first) || !meet_side(run, 1 - first) || !forget_side(run, LEFT) ||
            !forget_side(run, RIGHT)) {
            return OP_FAILED;
        }
    }
    if (local->next == local->results.count) {
        return OP_NEED_INPUT;
    }
    *out = batch_retain(local->results.items[local->next++]);
    return OP_HAVE_OUTPUT;
}

static const struct operator_class op_state_join_class = {
    .name = "StreamingSymmetricHashJoin",
    .local_size = sizeof(struct join_local),
    .begin = join_begin,
    .local_end = join_local_end,
    .partition_count = join_partition_count,
    .begin_partition = join_begin_partition,
    .read = join_read,
};

/* ---- creation ---- */

/* Splits what is left of the condition by the sides it looks at. */
struct residuals {
    struct arena *arena;
    size_t left_count;
    const struct expression *of[3]; /* left alone, right alone, both */
};

static void add_condition(struct residuals *residuals, const struct expression *condition) {
    const struct expression_call *call = condition->node.tag == EXPRESSION_CALL ? expression_call_of(condition) : NULL;
    if (call != NULL && strcmp(call->function->kernel, "and") == 0) {
        add_condition(residuals, call->arguments.items[0]);
        add_condition(residuals, call->arguments.items[1]);
        return;
    }
    struct join_sides sides = join_sides_of(condition, residuals->left_count);
    size_t place = sides.left && !sides.right ? 0 : sides.right && !sides.left ? 1 : 2;
    const struct expression *before = residuals->of[place];
    if (place == 1) {
        condition = join_shift_columns(residuals->arena, condition, residuals->left_count);
    }
    if (before != NULL) {
        struct join_parts *both = ARENA_NEW(residuals->arena, struct join_parts);
        both->arena = residuals->arena;
        join_add_residual(both, before);
        join_add_residual(both, condition);
        condition = both->residual;
    }
    residuals->of[place] = condition;
}

static bool compile_side(struct compile *compile, struct state_join *join, int s, const struct join_parts *parts,
    const struct expression *filter, const struct relation_join *node) {
    struct side *side = &join->sides[s];
    struct arena *arena = compile->arena;
    const struct relation *relation = s == LEFT ? node->left : node->right;
    const struct expression *const *keys = s == LEFT ? parts->left : parts->right;
    side->column_count = relation->output_count;
    side->row_type = relation_output_type(arena, relation);
    side->time_column = state_event_time_column(relation, &side->time_window);
    side->limit = join_side_limit(arena, node, s == LEFT);
    side->outer = join->type == JOIN_FULL || join->type == (s == LEFT ? JOIN_LEFT : JOIN_RIGHT);
    side->drops_null_keys = !side->outer;
    side->keys = program_compile(arena, compile->settings, keys, parts->key_count, side->column_count, compile->error);
    side->filter = filter == NULL
                       ? NULL
                       : program_compile(arena, compile->settings, &filter, 1, side->column_count, compile->error);
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, side->column_count + 1);
    for (size_t i = 0; i < side->column_count; i++) {
        fields[i] = side->row_type->fields[i];
        fields[i].nullable = true;
    }
    fields[side->column_count] = (struct type_field){BYTES("matched"), type_simple(TYPE_BOOLEAN), true, BYTES_NULL};
    side->value_type = type_struct(arena, fields, side->column_count + 1);
    return side->keys != NULL && (filter == NULL || side->filter != NULL);
}

static void add_stores(struct compile *compile, struct state_join *join, const struct join_parts *parts) {
    static const char *const names[2][2] = {
        {"left-keyToNumValues", "left-keyWithIndexToValue"}, {"right-keyToNumValues", "right-keyWithIndexToValue"}};
    struct arena *arena = compile->arena;
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, join->key_count + 1);
    const struct type_field value = {BYTES("value"), type_simple(TYPE_LONG), true, BYTES_NULL};
    for (size_t i = 0; i < join->key_count; i++) {
        fields[i] = (struct type_field){
            bytes_from_text(arena_printf(arena, "field%zu", i)), parts->left[i]->type, true, BYTES_NULL};
    }
    fields[join->key_count] = (struct type_field){BYTES("index"), type_simple(TYPE_LONG), true, BYTES_NULL};
    join->key_type = type_struct(arena, fields, join->key_count);
    const struct type *indexed = type_struct(arena, fields, join->key_count + 1);
    join->state = query_add_state(compile->query, "symmetricHashJoin");
    for (size_t s = 0; s < 2; s++) {
        struct side *side = &join->sides[s];
        query_add_store(compile->query, join->state, names[s][0], join->key_type, type_struct(arena, &value, 1), 0);
        query_add_store(compile->query, join->state, names[s][1], indexed, side->value_type, 0);
        side->counts = &join->state->stores[s * 2];
        side->values = &join->state->stores[s * 2 + 1];
        join->state->counts[s * 2 + 1] = true;
    }
    join->state->counts[0] = false;
    join->state->runs_without_data =
        join->sides[LEFT].limit.by != JOIN_KEEPS_ALL || join->sides[RIGHT].limit.by != JOIN_KEEPS_ALL;
    for (size_t s = 0; s < 2; s++) {
        const struct join_limit *limit = &join->sides[s].limit;
        if (limit->by == JOIN_FORGETS_BY_VALUE && limit->offset_ms < join->state->output_offset_ms) {
            join->state->output_offset_ms = limit->offset_ms;
        }
    }
}

struct operator* op_state_join_create(struct compile *compile, const struct relation *relation) {
    const struct relation_join *node = relation_join_of(relation);
    struct arena *arena = compile->arena;
    struct state_join *join = ARENA_NEW(arena, struct state_join);
    struct join_parts *parts = ARENA_NEW(arena, struct join_parts);
    struct residuals residuals = {.arena = arena, .left_count = node->left->output_count};
    parts->arena = arena;
    parts->left_count = residuals.left_count;
    if (node->condition != NULL) {
        join_split_condition(parts, node->condition);
    }
    for (size_t i = 0; i < parts->key_count; i++) {
        if (parts->null_safe[i]) {
            raise_unsupported_feature_not_in_this_program(
                compile->error, "A join of two streams by <=>", "Compare with =.");
            return NULL;
        }
    }
    if (parts->key_count == 0 || parts->key_count > 63) {
        raise__legacy_error_temp_3102(
            compile->error, "Stream-stream join without equality predicate is not supported.;");
        return NULL;
    }
    if (parts->residual != NULL) {
        add_condition(&residuals, parts->residual);
    }
    join->type = node->type;
    join->key_count = parts->key_count;
    if (!state_has_one_event_time(compile, node->left) || !state_has_one_event_time(compile, node->right)) {
        return NULL;
    }
    for (int s = LEFT; s <= RIGHT; s++) {
        if (!compile_side(compile, join, s, parts, residuals.of[s], node)) {
            return NULL;
        }
    }
    size_t width = residuals.left_count + node->right->output_count;
    if (residuals.of[2] != NULL) {
        join->residual = program_compile(arena, compile->settings, &residuals.of[2], 1, width, compile->error);
        if (join->residual == NULL) {
            return NULL;
        }
    }
    struct type_field *fields = ARENA_ARRAY(arena, struct type_field, width + 1);
    for (size_t i = 0; i < width; i++) {
        bool left = i < residuals.left_count;
        fields[i] = left ? join->sides[LEFT].row_type->fields[i]
                         : join->sides[RIGHT].row_type->fields[i - residuals.left_count];
    }
    join->pair_schema = type_struct(arena, fields, width);
    add_stores(compile, join, parts);
    operator_keeps_state(&join->base, join->state);
    return operator_init(compile, &join->base, &op_state_join_class, relation);
}

struct operator* op_state_join_input_create(
    struct compile *compile, const struct relation *relation, struct operator* join, bool left) {
    struct join_input *input = ARENA_NEW(compile->arena, struct join_input);
    input->join = (const struct state_join *)join;
    input->side = left ? LEFT : RIGHT;
    ((struct state_join *)join)->sides[input->side].input = &input->base;
    return operator_init(compile, &input->base, &op_join_input_class, relation);
}
