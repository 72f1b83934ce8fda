/* groups.c: see groups.h. */
#include "exec/groups.h"

#include <stdlib.h>
#include "base/map.h"

void groups_init(struct groups *groups, const struct type *const *types, size_t column_count) {
    *groups = (struct groups){.null_group = GROUP_NONE};
    size_t width = column_count == 1 ? type_value_size(types[0]) : 0;
    groups->narrow = width > 0 && width <= 8;
}

void groups_free(struct groups *groups) {
    free(groups->slots);
    free(groups->hashes);
    free(groups->values);
    arena_destroy(&groups->arena);
    *groups = (struct groups){.null_group = GROUP_NONE};
}

size_t groups_memory_size(const struct groups *groups) {
    return groups->slot_count * sizeof *groups->slots + groups->arena.allocated_size +
           groups->capacity * (sizeof *groups->hashes + (groups->narrow ? 8 : sizeof *groups->keys));
}

static uint64_t hash_value(uint64_t value) {
    value *= UINT64_C(0x9e3779b97f4a7c15);
    value ^= value >> 32;
    value *= UINT64_C(0xd6e8feb86659fd93);
    return value ^ value >> 32;
}

static void *grow_array(void *array, size_t count, size_t size) {
    array = realloc(array, count * size);
    ASSERT(array != NULL);
    return array;
}

static void grow_slots(struct groups *groups, size_t count) {
    free(groups->slots);
    groups->slot_count = count;
    groups->slots = calloc(count, sizeof *groups->slots);
    ASSERT(groups->slots != NULL);
    for (size_t i = 0; i < groups->count; i++) {
        if ((int64_t)i == groups->null_group) {
            continue;
        }
        size_t slot = groups->hashes[i] & (count - 1);
        while (groups->slots[slot] != 0) {
            slot = (slot + 1) & (count - 1);
        }
        groups->slots[slot] = (uint32_t)(i + 1);
    }
}

/* Room for row_count more groups. */
static void groups_reserve(struct groups *groups, size_t row_count) {
    size_t wanted = groups->count + row_count;
    ASSERT(wanted < UINT32_MAX);
    if (wanted > groups->capacity) {
        size_t capacity = groups->capacity * 2 > wanted ? groups->capacity * 2 : wanted;
        groups->hashes = grow_array(groups->hashes, capacity, sizeof *groups->hashes);
        if (groups->narrow) {
            groups->values = grow_array(groups->values, capacity, sizeof *groups->values);
        } else {
            groups->keys = grow_array(groups->keys, capacity, sizeof *groups->keys);
        }
        groups->capacity = capacity;
    }
    size_t slots = groups->slot_count < 1024 ? 1024 : groups->slot_count;
    while (groups->count * 2 + 1024 > slots) {
        slots *= 2;
    }
    if (slots != groups->slot_count) {
        grow_slots(groups, slots);
    }
}

/* ---- narrow keys ---- */

/* Every value that counts as equal has the same bits. */
static void narrow_values(const struct column *column, size_t row_count, uint64_t *values) {
    size_t step = column->constant ? 0 : 1;
    switch (column->type->kind) {
    case TYPE_FLOAT:
        for (size_t i = 0; i < row_count; i++) {
            float value = COLUMN_VALUES(column, float)[i * step];
            uint32_t bits;
            value = value == 0 ? 0.0f : value != value ? __builtin_nanf("") : value;
            memcpy(&bits, &value, 4);
            values[i] = bits;
        }
        return;
    case TYPE_DOUBLE:
        for (size_t i = 0; i < row_count; i++) {
            double value = COLUMN_VALUES(column, double)[i * step];
            value = value == 0 ? 0.0 : value != value ? __builtin_nan("") : value;
            memcpy(&values[i], &value, 8);
        }
        return;
    default:
        break;
    }
    switch (type_value_size(column->type)) {
    case 1:
        for (size_t i = 0; i < row_count; i++) {
            values[i] = COLUMN_VALUES(column, uint8_t)[i * step];
        }
        break;
    case 2:
        for (size_t i = 0; i < row_count; i++) {
            values[i] = COLUMN_VALUES(column, uint16_t)[i * step];
        }
        break;
    case 4:
        for (size_t i = 0; i < row_count; i++) {
            values[i] = COLUMN_VALUES(column, uint32_t)[i * step];
        }
        break;
    default:
        for (size_t i = 0; i < row_count; i++) {
            values[i] = COLUMN_VALUES(column, uint64_t)[i * step];
        }
    }
}

static inline uint32_t narrow_find(const struct groups *groups, uint64_t value, uint64_t hash, size_t *slot) {
    size_t mask = groups->slot_count - 1, at = hash & mask;
    while (groups->slots[at] != 0 && groups->values[groups->slots[at] - 1] != value) {
        at = (at + 1) & mask;
    }
    *slot = at;
    return groups->slots[at] - 1; /* UINT32_MAX when free */
}

static size_t add_narrow(struct groups *groups, struct arena *scratch, const struct column *column, size_t row_count,
    uint32_t *numbers, uint32_t *new_rows) {
    size_t added = 0;
    uint64_t *values = arena_allocate(scratch, row_count * sizeof *values);
    narrow_values(column, row_count, values);
    for (size_t i = 0; i < row_count; i++) {
        if (column_is_null(column, i)) {
            if (groups->null_group == GROUP_NONE) {
                groups->null_group = (int64_t)groups->count;
                groups->hashes[groups->count] = 0;
                groups->values[groups->count++] = 0;
                new_rows[added++] = (uint32_t)i;
            }
            numbers[i] = (uint32_t)groups->null_group;
            continue;
        }
        uint64_t hash = hash_value(values[i]);
        size_t slot;
        uint32_t number = narrow_find(groups, values[i], hash, &slot);
        if (number == UINT32_MAX) {
            number = (uint32_t)groups->count++;
            groups->slots[slot] = number + 1;
            groups->hashes[number] = hash;
            groups->values[number] = values[i];
            new_rows[added++] = (uint32_t)i;
            if (groups->count * 2 > groups->slot_count) {
                grow_slots(groups, groups->slot_count * 2);
            }
        }
        numbers[i] = number;
    }
    return added;
}

static void find_narrow(const struct groups *groups, struct arena *scratch, const struct column *column,
    size_t row_count, uint32_t *numbers) {
    uint64_t *values = arena_allocate(scratch, row_count * sizeof *values);
    narrow_values(column, row_count, values);
    for (size_t i = 0; i < row_count; i++) {
        size_t slot;
        numbers[i] = column_is_null(column, i) ? (uint32_t)groups->null_group
                                               : narrow_find(groups, values[i], hash_value(values[i]), &slot);
    }
}

/* ---- wide keys ---- */

static inline uint32_t wide_find(const struct groups *groups, struct bytes key, uint64_t hash, size_t *slot) {
    size_t mask = groups->slot_count - 1, at = hash & mask;
    while (groups->slots[at] != 0) {
        uint32_t number = groups->slots[at] - 1;
        if (groups->hashes[number] == hash && groups->keys[number].size == key.size &&
            memcmp(groups->keys[number].data, key.data, key.size) == 0) {
            break;
        }
        at = (at + 1) & mask;
    }
    *slot = at;
    return groups->slots[at] - 1;
}

static size_t add_wide(struct groups *groups, struct arena *scratch, struct column *const *columns, size_t column_count,
    size_t row_count, uint32_t *numbers, uint32_t *new_rows) {
    struct keys keys;
    size_t added = 0;
    keys_encode(scratch, columns, NULL, column_count, row_count, &keys);
    for (size_t i = 0; i < row_count; i++) {
        struct bytes key = keys_at(&keys, i);
        uint64_t hash = hash_bytes(key, 0);
        size_t slot;
        uint32_t number = wide_find(groups, key, hash, &slot);
        if (number == UINT32_MAX) {
            number = (uint32_t)groups->count++;
            groups->slots[slot] = number + 1;
            groups->hashes[number] = hash;
            groups->keys[number] = arena_copy(&groups->arena, key);
            new_rows[added++] = (uint32_t)i;
            if (groups->count * 2 > groups->slot_count) {
                grow_slots(groups, groups->slot_count * 2);
            }
        }
        numbers[i] = number;
    }
    return added;
}

size_t groups_add(struct groups *groups, struct arena *scratch, struct column *const *columns, size_t column_count,
    size_t row_count, uint32_t *numbers, uint32_t *new_rows) {
    groups_reserve(groups, row_count);
    return groups->narrow ? add_narrow(groups, scratch, columns[0], row_count, numbers, new_rows)
                          : add_wide(groups, scratch, columns, column_count, row_count, numbers, new_rows);
}

void groups_find(const struct groups *groups, struct arena *scratch, struct column *const *columns, size_t column_count,
    size_t row_count, uint32_t *numbers) {
    if (groups->count == 0) {
        memset(numbers, 0xff, row_count * sizeof *numbers);
        return;
    }
    if (groups->narrow) {
        find_narrow(groups, scratch, columns[0], row_count, numbers);
        return;
    }
    struct keys keys;
    keys_encode(scratch, columns, NULL, column_count, row_count, &keys);
    for (size_t i = 0; i < row_count; i++) {
        size_t slot;
        struct bytes key = keys_at(&keys, i);
        numbers[i] = wide_find(groups, key, hash_bytes(key, 0), &slot);
    }
}
