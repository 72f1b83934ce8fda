/* column.c: batches, and columns cut, joined, gathered and copied. */
#include "column/column.h"

struct batch *batch_create(const struct type *schema) {
    ASSERT(schema->kind == TYPE_STRUCT);
    struct arena arena;
    arena_init(&arena);
    struct batch *batch = ARENA_NEW(&arena, struct batch);
    batch->references = 1;
    batch->schema = schema;
    batch->column_count = schema->field_count;
    batch->columns = ARENA_ARRAY(&arena, struct column *, schema->field_count);
    batch->arena = arena;
    return batch;
}

struct batch *batch_retain(struct batch *batch) {
    __atomic_fetch_add(&batch->references, 1, __ATOMIC_RELAXED);
    return batch;
}

void batch_release(struct batch *batch) {
    if (batch == NULL) {
        return;
    }
    int before = __atomic_fetch_sub(&batch->references, 1, __ATOMIC_ACQ_REL);
    ASSERT(before >= 1);
    if (before == 1) {
        struct arena arena = batch->arena; /* the batch itself lies in it */
        arena_destroy(&arena);
    }
}

static void release_kept(void *argument) {
    batch_release(argument);
}

void batch_keep(struct batch *batch, struct batch *other) {
    ASSERT(batch != other);
    arena_on_destroy(&batch->arena, release_kept, batch_retain(other));
}

size_t batch_memory_size(const struct batch *batch) {
    return batch->arena.allocated_size;
}

static size_t child_count_of(const struct type *type) {
    switch (type->kind) {
    case TYPE_STRUCT:
        return type->field_count;
    case TYPE_ARRAY:
        return 1;
    case TYPE_MAP:
        return 2;
    default:
        return 0;
    }
}

const struct type *type_child(const struct type *type, size_t index) {
    if (type->kind == TYPE_STRUCT) {
        return type->fields[index].type;
    }
    return type->kind == TYPE_MAP && index == 0 ? type->key : type->element;
}

static struct column *column_shell(struct arena *arena, const struct type *type, size_t row_count) {
    struct column *column = ARENA_NEW(arena, struct column);
    column->type = type;
    column->row_count = row_count;
    column->child_count = child_count_of(type);
    if (column->child_count > 0) {
        column->children = ARENA_ARRAY(arena, struct column *, column->child_count);
    }
    return column;
}

struct column *column_create(struct arena *arena, const struct type *type, size_t row_count) {
    struct column *column = column_shell(arena, type, row_count);
    size_t value_size = type_value_size(type);
    if (value_size > 0) {
        column->values = arena_array(arena, row_count, value_size);
    } else if (type->kind == TYPE_NULL) {
        column->validity = ARENA_ARRAY(arena, uint8_t, bitmap_size(row_count));
    }
    bool list = type->kind == TYPE_ARRAY || type->kind == TYPE_MAP;
    if (list) {
        column->offsets = ARENA_ARRAY(arena, int32_t, row_count + 1);
    }
    for (size_t i = 0; i < column->child_count; i++) {
        column->children[i] = column_create(arena, type_child(type, i), list ? 0 : row_count);
    }
    return column;
}

uint8_t *column_make_nullable(struct arena *arena, struct column *column) {
    if (column->validity == NULL) {
        uint8_t *bits = ARENA_ARRAY(arena, uint8_t, bitmap_size(column->row_count));
        memset(bits, 0xff, bitmap_size(column->row_count));
        column->validity = bits;
    }
    return (uint8_t *)column->validity;
}

struct column *column_create_nulls(struct arena *arena, const struct type *type, size_t row_count) {
    struct column *column = column_create(arena, type, row_count);
    column->validity = ARENA_ARRAY(arena, uint8_t, bitmap_size(row_count));
    return column;
}

/* ---- take ---- */

#define TAKE_LOOP(width_type)                                                                                          \
    do {                                                                                                               \
        const width_type *from = source;                                                                               \
        width_type *to = target;                                                                                       \
        for (size_t i = 0; i < count; i++) {                                                                           \
            to[i] = indexes[i] == UINT32_MAX ? (width_type){0} : from[indexes[i]];                                     \
        }                                                                                                              \
    } while (0)

static void take_values(void *target, const void *source, size_t width, const uint32_t *indexes, size_t count) {
    switch (width) {
    case 1:
        TAKE_LOOP(uint8_t);
        break;
    case 2:
        TAKE_LOOP(uint16_t);
        break;
    case 4:
        TAKE_LOOP(uint32_t);
        break;
    case 8:
        TAKE_LOOP(uint64_t);
        break;
    default:
        ASSERT(width == 16);
        TAKE_LOOP(__int128);
    }
}

/* The bitmap of the taken rows, or NULL when all are present. */
static const uint8_t *take_validity(
    struct arena *arena, const struct column *column, const uint32_t *indexes, size_t count) {
    bool missing = column->validity != NULL;
    for (size_t i = 0; i < count && !missing; i++) {
        missing = indexes[i] == UINT32_MAX;
    }
    if (!missing) {
        return NULL;
    }
    uint8_t *bits = ARENA_ARRAY(arena, uint8_t, bitmap_size(count));
    for (size_t i = 0; i < count; i++) {
        bool present = indexes[i] != UINT32_MAX && (column->validity == NULL || bit_get(column->validity, indexes[i]));
        bits[i >> 3] |= (uint8_t)(present << (i & 7));
    }
    return bits;
}

static void take_lists(
    struct arena *arena, struct column *taken, const struct column *column, const uint32_t *indexes, size_t count) {
    int32_t *offsets = ARENA_ARRAY(arena, int32_t, count + 1);
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        if (indexes[i] != UINT32_MAX && !column_is_null(column, indexes[i])) {
            total += (size_t)(column->offsets[indexes[i] + 1] - column->offsets[indexes[i]]);
        }
        ASSERT(total <= INT32_MAX);
        offsets[i + 1] = (int32_t)total;
    }
    uint32_t *inner = ARENA_ARRAY(arena, uint32_t, total);
    size_t position = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t length = offsets[i + 1] - offsets[i];
        for (int32_t j = 0; j < length; j++) {
            inner[position++] = (uint32_t)(column->offsets[indexes[i]] + j);
        }
    }
    taken->offsets = offsets;
    for (size_t i = 0; i < column->child_count; i++) {
        taken->children[i] = column_take(arena, column->children[i], inner, total);
    }
}

struct column *column_take(struct arena *arena, const struct column *column, const uint32_t *indexes, size_t count) {
    if (column->constant) {
        bool missing = false;
        for (size_t i = 0; i < count && !missing; i++) {
            missing = indexes[i] == UINT32_MAX;
        }
        if (!missing) {
            struct column *same = ARENA_NEW(arena, struct column);
            *same = *column;
            return same;
        }
        uint32_t *zeros = ARENA_ARRAY(arena, uint32_t, count);
        for (size_t i = 0; i < count; i++) {
            zeros[i] = indexes[i] == UINT32_MAX ? UINT32_MAX : 0;
        }
        struct column single = *column;
        single.constant = false;
        return column_take(arena, &single, zeros, count);
    }
    struct column *taken = column_shell(arena, column->type, count);
    taken->validity = take_validity(arena, column, indexes, count);
    size_t width = type_value_size(column->type);
    if (width > 0) {
        taken->values = arena_allocate(arena, count * width);
        take_values(taken->values, column->values, width, indexes, count);
    }
    if (column->offsets != NULL) {
        take_lists(arena, taken, column, indexes, count);
    } else {
        for (size_t i = 0; i < column->child_count; i++) {
            taken->children[i] = column_take(arena, column->children[i], indexes, count);
        }
    }
    return taken;
}

/* ---- slice, flatten, concat ---- */

static const uint8_t *slice_bits(struct arena *arena, const uint8_t *bits, size_t offset, size_t count) {
    if (bits == NULL || offset % 8 == 0) {
        return bits == NULL ? NULL : bits + offset / 8;
    }
    uint8_t *copy = ARENA_ARRAY(arena, uint8_t, bitmap_size(count));
    for (size_t i = 0; i < count; i++) {
        copy[i >> 3] |= (uint8_t)(bit_get(bits, offset + i) << (i & 7));
    }
    return copy;
}

struct column *column_slice(struct arena *arena, const struct column *column, size_t offset, size_t count) {
    struct column *slice = ARENA_NEW(arena, struct column);
    *slice = *column;
    if (column->constant || (offset == 0 && count == column->row_count)) {
        return slice;
    }
    ASSERT(offset <= column->row_count && count <= column->row_count - offset);
    slice->row_count = count;
    slice->validity = slice_bits(arena, column->validity, offset, count);
    if (column->values != NULL) {
        slice->values = (uint8_t *)column->values + offset * type_value_size(column->type);
    }
    slice->children = column->child_count == 0 ? NULL : ARENA_ARRAY(arena, struct column *, column->child_count);
    size_t child_offset = offset, child_rows = count;
    if (column->offsets != NULL) {
        int32_t first = column->offsets[offset];
        int32_t *offsets = ARENA_ARRAY(arena, int32_t, count + 1);
        for (size_t i = 0; i <= count; i++) {
            offsets[i] = column->offsets[offset + i] - first;
        }
        slice->offsets = offsets;
        child_offset = (size_t)first;
        child_rows = (size_t)offsets[count];
    }
    for (size_t i = 0; i < column->child_count; i++) {
        slice->children[i] = column_slice(arena, column->children[i], child_offset, child_rows);
    }
    return slice;
}

struct column *column_flatten(struct arena *arena, struct column *column, size_t row_count) {
    if (!column->constant) {
        return column;
    }
    struct column single = *column;
    single.constant = false;
    uint32_t *zeros = ARENA_ARRAY(arena, uint32_t, row_count);
    return column_take(arena, &single, zeros, row_count);
}

static size_t concat_validity(
    struct arena *arena, struct column *result, struct column *const *columns, const size_t *row_counts, size_t count) {
    size_t total = 0;
    bool nullable = false;
    for (size_t i = 0; i < count; i++) {
        total += row_counts[i];
        nullable = nullable || (columns[i]->validity != NULL && row_counts[i] > 0);
    }
    if (!nullable) {
        return total;
    }
    uint8_t *bits = ARENA_ARRAY(arena, uint8_t, bitmap_size(total));
    size_t row = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < row_counts[i]; j++, row++) {
            bits[row >> 3] |= (uint8_t)(!column_is_null(columns[i], j) << (row & 7));
        }
    }
    result->validity = bits;
    return total;
}

struct column *column_concat(
    struct arena *arena, struct column *const *columns, const size_t *row_counts, size_t count) {
    ASSERT(count > 0);
    struct column **flat = ARENA_ARRAY(arena, struct column *, count);
    for (size_t i = 0; i < count; i++) {
        flat[i] = column_flatten(arena, columns[i], row_counts[i]);
    }
    if (count == 1) {
        return flat[0];
    }
    struct column *result = column_shell(arena, columns[0]->type, 0);
    size_t total = concat_validity(arena, result, flat, row_counts, count);
    result->row_count = total;
    size_t width = type_value_size(result->type);
    bool list = result->type->kind == TYPE_ARRAY || result->type->kind == TYPE_MAP;
    size_t *child_rows = ARENA_ARRAY(arena, size_t, count);
    int32_t *offsets = list ? ARENA_ARRAY(arena, int32_t, total + 1) : NULL;
    result->values = width > 0 ? arena_allocate(arena, total * width) : NULL;
    size_t row = 0;
    int64_t base = 0;
    for (size_t i = 0; i < count; i++) {
        child_rows[i] = row_counts[i];
        if (width > 0) {
            memcpy((uint8_t *)result->values + row * width, flat[i]->values, row_counts[i] * width);
        }
        if (list) {
            for (size_t j = 0; j < row_counts[i]; j++) {
                ASSERT(base + flat[i]->offsets[j + 1] <= INT32_MAX);
                offsets[row + j + 1] = (int32_t)(base + flat[i]->offsets[j + 1]);
            }
            child_rows[i] = (size_t)flat[i]->offsets[row_counts[i]];
            base += (int64_t)child_rows[i];
        }
        row += row_counts[i];
    }
    result->offsets = offsets;
    struct column **parts = ARENA_ARRAY(arena, struct column *, count);
    for (size_t c = 0; c < result->child_count; c++) {
        for (size_t i = 0; i < count; i++) {
            parts[i] = flat[i]->children[c];
        }
        result->children[c] = column_concat(arena, parts, child_rows, count);
    }
    return result;
}

/* ---- copy ---- */

static void copy_strings(struct arena *arena, struct string_view *to, const struct string_view *from, size_t count) {
    size_t total = 0;
    for (size_t i = 0; i < count; i++) {
        total += from[i].size;
    }
    uint8_t *data = arena_allocate(arena, total);
    for (size_t i = 0; i < count; i++) {
        if (from[i].size > 0) {
            memcpy(data, from[i].data, from[i].size);
        }
        to[i] = (struct string_view){data, from[i].size, 0};
        data += from[i].size;
    }
}

struct column *column_copy(struct arena *arena, const struct column *column) {
    struct column *copy = ARENA_NEW(arena, struct column);
    *copy = *column;
    size_t width = type_value_size(column->type), rows = column->row_count;
    if (column->validity != NULL) {
        uint8_t *bits = ARENA_ARRAY(arena, uint8_t, bitmap_size(rows));
        memcpy(bits, column->validity, (rows + 7) / 8);
        copy->validity = bits;
    }
    if (column->offsets != NULL) {
        copy->offsets = (const int32_t *)arena_copy(arena, bytes_make(column->offsets, (rows + 1) * 4)).data;
    }
    if (width > 0) {
        copy->values = arena_allocate(arena, rows * width);
        if (column->type->kind == TYPE_STRING || column->type->kind == TYPE_BINARY) {
            copy_strings(arena, copy->values, column->values, rows);
        } else if (rows > 0) {
            memcpy(copy->values, column->values, rows * width);
        }
    }
    copy->children = column->child_count == 0 ? NULL : ARENA_ARRAY(arena, struct column *, column->child_count);
    for (size_t i = 0; i < column->child_count; i++) {
        copy->children[i] = column_copy(arena, column->children[i]);
    }
    return copy;
}

struct batch *batch_take(struct batch *batch, const uint32_t *indexes, size_t count) {
    struct batch *taken = batch_create(batch->schema);
    taken->row_count = count;
    for (size_t i = 0; i < batch->column_count; i++) {
        taken->columns[i] = column_take(&taken->arena, batch->columns[i], indexes, count);
    }
    batch_keep(taken, batch);
    return taken;
}

struct batch *batch_slice(struct batch *batch, size_t offset, size_t count) {
    struct batch *slice = batch_create(batch->schema);
    slice->row_count = count;
    for (size_t i = 0; i < batch->column_count; i++) {
        slice->columns[i] = column_slice(&slice->arena, batch->columns[i], offset, count);
    }
    batch_keep(slice, batch);
    return slice;
}

/* Only for columns that nobody else sees yet. */
static void column_retype(struct column *column, const struct type *type) {
    ASSERT(column->type->kind == type->kind);
    column->type = type;
    for (size_t i = 0; i < column->child_count; i++) {
        column_retype(column->children[i], type_child(type, i));
    }
}

struct batch *batch_copy(const struct batch *batch, const struct type *schema) {
    struct batch *copy = batch_create(schema);
    ASSERT(copy->column_count == batch->column_count);
    copy->row_count = batch->row_count;
    for (size_t i = 0; i < batch->column_count; i++) {
        copy->columns[i] = column_copy(&copy->arena, batch->columns[i]);
        column_retype(copy->columns[i], schema->fields[i].type);
    }
    return copy;
}

size_t column_null_count(const struct column *column) {
    if (column->validity == NULL) {
        return 0;
    }
    size_t present = 0;
    for (size_t i = 0; i < column->row_count / 8; i++) {
        present += (size_t)__builtin_popcount(column->validity[i]);
    }
    for (size_t i = column->row_count & ~(size_t)7; i < column->row_count; i++) {
        present += bit_get(column->validity, i);
    }
    return column->row_count - present;
}
