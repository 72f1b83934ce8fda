/* builder.c: columns grown row by row. Memory doubles inside the arena; what was outgrown stays there until the arena
 * ends. */
#include "column/builder.h"

void column_builder_init(
    struct column_builder *builder, struct arena *arena, const struct type *type, size_t capacity) {
    *builder = (struct column_builder){.arena = arena, .type = type, .capacity = capacity < 8 ? 8 : capacity};
    size_t width = type_value_size(type);
    if (width > 0) {
        builder->values = arena_array(arena, builder->capacity, width);
    }
    if (type->kind == TYPE_ARRAY || type->kind == TYPE_MAP) {
        builder->offsets = ARENA_ARRAY(arena, int32_t, builder->capacity + 1);
    }
    builder->child_count = type->kind == TYPE_STRUCT  ? type->field_count
                           : type->kind == TYPE_MAP   ? 2
                           : type->kind == TYPE_ARRAY ? 1
                                                      : 0;
    if (builder->child_count > 0) {
        builder->children = ARENA_ARRAY(arena, struct column_builder, builder->child_count);
        for (size_t i = 0; i < builder->child_count; i++) {
            column_builder_init(&builder->children[i], arena, type_child(type, i), capacity);
        }
    }
}

static void *grown(struct arena *arena, const void *old, size_t old_size, size_t new_size) {
    void *memory = arena_allocate(arena, new_size);
    memcpy(memory, old, old_size);
    memset((uint8_t *)memory + old_size, 0, new_size - old_size);
    return memory;
}

static void builder_reserve(struct column_builder *builder) {
    if (builder->row_count < builder->capacity) {
        return;
    }
    size_t old = builder->capacity, capacity = old * 2, width = type_value_size(builder->type);
    if (width > 0) {
        builder->values = grown(builder->arena, builder->values, old * width, capacity * width);
    }
    if (builder->offsets != NULL) {
        builder->offsets = grown(builder->arena, builder->offsets, (old + 1) * 4, (capacity + 1) * 4);
    }
    if (builder->validity != NULL) {
        size_t old_size = bitmap_size(old), new_size = bitmap_size(capacity);
        builder->validity = grown(builder->arena, builder->validity, old_size, new_size);
        memset(builder->validity + old_size, 0xff, new_size - old_size);
    }
    builder->capacity = capacity;
}

void column_builder_null(struct column_builder *builder) {
    builder_reserve(builder);
    if (builder->validity == NULL) {
        builder->validity = arena_allocate(builder->arena, bitmap_size(builder->capacity));
        memset(builder->validity, 0xff, bitmap_size(builder->capacity));
    }
    size_t row = builder->row_count++, width = type_value_size(builder->type);
    bit_clear(builder->validity, row);
    builder->null_count++;
    if (width > 0) {
        memset((uint8_t *)builder->values + row * width, 0, width);
    }
    if (builder->offsets != NULL) {
        builder->offsets[row + 1] = builder->offsets[row];
    }
    if (builder->type->kind == TYPE_STRUCT) {
        for (size_t i = 0; i < builder->child_count; i++) {
            column_builder_null(&builder->children[i]);
        }
    }
}

static void builder_present(struct column_builder *builder) {
    if (builder->validity != NULL) {
        bit_set(builder->validity, builder->row_count);
    }
    builder->row_count++;
}

void column_builder_append(struct column_builder *builder, const void *value) {
    builder_reserve(builder);
    size_t width = type_value_size(builder->type);
    memcpy((uint8_t *)builder->values + builder->row_count * width, value, width);
    builder_present(builder);
}

void column_builder_append_string(struct column_builder *builder, struct bytes value) {
    ASSERT(value.size <= UINT32_MAX);
    struct string_view view = {value.data, (uint32_t)value.size, 0};
    column_builder_append(builder, &view);
}

void column_builder_append_string_copy(struct column_builder *builder, struct bytes value) {
    column_builder_append_string(builder, arena_copy(builder->arena, value));
}

void column_builder_end_row(struct column_builder *builder) {
    builder_reserve(builder);
    if (builder->offsets != NULL) {
        size_t end = builder->children[0].row_count;
        ASSERT(end <= INT32_MAX && (builder->child_count == 1 || builder->children[1].row_count == end));
        builder->offsets[builder->row_count + 1] = (int32_t)end;
    }
    builder_present(builder);
}

void column_builder_truncate(struct column_builder *builder, size_t row_count) {
    bool list = builder->offsets != NULL;
    ASSERT(row_count <= builder->row_count || builder->type->kind == TYPE_STRUCT);
    /* A row that was begun has put values into the children already, so these are cut even when the row itself was not
     * ended. */
    size_t rows = row_count < builder->row_count ? row_count : builder->row_count;
    if (builder->validity != NULL) {
        for (size_t i = rows; i < builder->row_count; i++) {
            builder->null_count -= !bit_get(builder->validity, i);
            bit_set(builder->validity, i);
        }
    }
    builder->row_count = rows;
    for (size_t i = 0; i < builder->child_count; i++) {
        size_t child_rows = list ? (size_t)builder->offsets[rows] : rows;
        if (builder->children[i].row_count >= child_rows) {
            column_builder_truncate(&builder->children[i], child_rows);
        }
    }
}

struct column *column_builder_finish(struct column_builder *builder) {
    struct column *column = ARENA_NEW(builder->arena, struct column);
    column->type = builder->type;
    column->row_count = builder->row_count;
    column->values = builder->values;
    column->offsets = builder->offsets;
    column->validity = builder->null_count > 0 ? builder->validity : NULL;
    column->child_count = builder->child_count;
    if (builder->type->kind == TYPE_NULL) {
        column->validity = ARENA_ARRAY(builder->arena, uint8_t, bitmap_size(builder->row_count));
    }
    if (builder->child_count > 0) {
        column->children = ARENA_ARRAY(builder->arena, struct column *, builder->child_count);
        for (size_t i = 0; i < builder->child_count; i++) {
            column->children[i] = column_builder_finish(&builder->children[i]);
        }
    }
    struct arena *arena = builder->arena;
    const struct type *type = builder->type;
    column_builder_init(builder, arena, type, 0);
    return column;
}
