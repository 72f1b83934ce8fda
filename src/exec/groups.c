/* groups.c: see groups.h. */
#include "exec/groups.h"

#include <stdlib.h>
#include "base/map.h"

enum { PACKED_WORDS_MAX = 16, PREFETCH_ROWS = 8 };

static bool fits_word(const struct type *type) {
    return type_value_size(type) > 0 && type_value_size(type) <= 8;
}

/* Adds the words that values of a type take in a packed key. false: it is neither narrow nor a struct of such. */
static bool add_words(const struct type *type, size_t *words) {
    bool packed = type->kind == TYPE_STRUCT ? type->field_count > 0 : fits_word(type);
    *words += type->kind == TYPE_STRUCT ? type->field_count : 1;
    for (size_t i = 0; i < type->field_count && type->kind == TYPE_STRUCT && packed; i++) {
        packed = fits_word(type->fields[i].type);
    }
    return packed && *words <= PACKED_WORDS_MAX;
}

void groups_init(struct groups *groups, const struct type *const *types, size_t column_count) {
    *groups = (struct groups){.null_group = GROUP_NONE};
    size_t width = column_count == 1 ? type_value_size(types[0]) : 0, words = 1;
    bool packed = column_count > 0;
    groups->narrow = width > 0 && width <= 8;
    for (size_t i = 0; i < column_count && packed && !groups->narrow; i++) {
        packed = add_words(types[i], &words);
    }
    groups->words = packed && !groups->narrow ? words : 0;
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
           groups->capacity * (sizeof *groups->hashes + (groups->narrow         ? 8
                                                            : groups->words > 0 ? groups->words * 8
                                                                                : sizeof *groups->keys));
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
        } else if (groups->words > 0) {
            groups->values = grow_array(groups->values, capacity, groups->words * sizeof *groups->values);
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

/* ---- packed keys ---- */

/* Where the words of a column's rows go: one column of a table of `words` columns. */
struct packing {
    struct arena *scratch;
    uint64_t *keys;
    size_t words, word, bit, row_count;
};

/* What lies below a null struct does not count, nulls included. */
static void pack_column(struct packing *packing, const struct column *column, bool constant) {
    size_t stride = packing->words, first = packing->word;
    uint64_t bit = UINT64_C(1) << packing->bit++;
    constant = constant || column->constant;
    if (column->type->kind == TYPE_STRUCT) {
        for (size_t i = 0; i < column->child_count; i++) {
            pack_column(packing, column->children[i], constant);
        }
    } else {
        uint64_t *values = arena_allocate(packing->scratch, packing->row_count * sizeof *values);
        struct column values_of = *column;
        values_of.constant = constant;
        narrow_values(&values_of, packing->row_count, values);
        for (size_t i = 0; i < packing->row_count; i++) {
            packing->keys[i * stride + first] = values[i];
        }
        packing->word++;
    }
    uint64_t below = (UINT64_C(1) << packing->bit) - (bit << 1);
    for (size_t i = 0; i < packing->row_count && column->validity != NULL; i++) {
        if (!bit_get(column->validity, constant ? 0 : i)) {
            packing->keys[i * stride] = (packing->keys[i * stride] & ~below) | bit;
            memset(&packing->keys[i * stride + first], 0, (packing->word - first) * sizeof *packing->keys);
        }
    }
}

static void pack_keys(const struct groups *groups, struct arena *scratch, struct column *const *columns,
    size_t column_count, size_t row_count, uint64_t **keys, uint64_t **hashes) {
    struct packing packing = {.scratch = scratch, .words = groups->words, .word = 1, .row_count = row_count};
    packing.keys = *keys = arena_allocate(scratch, row_count * groups->words * sizeof **keys);
    *hashes = arena_allocate(scratch, row_count * sizeof **hashes);
    for (size_t i = 0; i < row_count; i++) {
        packing.keys[i * groups->words] = 0;
    }
    for (size_t i = 0; i < column_count; i++) {
        pack_column(&packing, columns[i], false);
    }
    for (size_t i = 0; i < row_count; i++) {
        const uint64_t *key = packing.keys + i * groups->words;
        uint64_t hash = 0;
        for (size_t word = 0; word < groups->words; word++) {
            unsigned __int128 product =
                (unsigned __int128)(hash ^ key[word] ^ UINT64_C(0x9e3779b97f4a7c15)) * UINT64_C(0xd6e8feb86659fd93);
            hash = (uint64_t)product ^ (uint64_t)(product >> 64);
        }
        (*hashes)[i] = hash;
    }
}

static inline bool same_words(const uint64_t *left, const uint64_t *right, size_t count) {
    uint64_t different = 0;
    for (size_t i = 0; i < count; i++) {
        different |= left[i] ^ right[i];
    }
    return different == 0;
}

static inline uint32_t packed_find(const struct groups *groups, const uint64_t *key, uint64_t hash, size_t *slot) {
    size_t mask = groups->slot_count - 1, at = hash & mask;
    while (groups->slots[at] != 0 &&
           !same_words(groups->values + (groups->slots[at] - 1) * groups->words, key, groups->words)) {
        at = (at + 1) & mask;
    }
    *slot = at;
    return groups->slots[at] - 1;
}

static void prefetch_slot(const struct groups *groups, const uint64_t *hashes, size_t row, size_t row_count) {
    if (row + PREFETCH_ROWS < row_count) {
        __builtin_prefetch(&groups->slots[hashes[row + PREFETCH_ROWS] & (groups->slot_count - 1)]);
    }
}

static size_t add_packed(struct groups *groups, struct arena *scratch, struct column *const *columns,
    size_t column_count, size_t row_count, uint32_t *numbers, uint32_t *new_rows) {
    uint64_t *keys, *hashes;
    size_t added = 0;
    pack_keys(groups, scratch, columns, column_count, row_count, &keys, &hashes);
    for (size_t i = 0; i < row_count; i++) {
        const uint64_t *key = keys + i * groups->words;
        size_t slot;
        prefetch_slot(groups, hashes, i, row_count);
        uint32_t number = packed_find(groups, key, hashes[i], &slot);
        if (number == UINT32_MAX) {
            number = (uint32_t)groups->count++;
            groups->slots[slot] = number + 1;
            groups->hashes[number] = hashes[i];
            memcpy(groups->values + number * groups->words, key, groups->words * sizeof *key);
            new_rows[added++] = (uint32_t)i;
            if (groups->count * 2 > groups->slot_count) {
                grow_slots(groups, groups->slot_count * 2);
            }
        }
        numbers[i] = number;
    }
    return added;
}

static void find_packed(const struct groups *groups, struct arena *scratch, struct column *const *columns,
    size_t column_count, size_t row_count, uint32_t *numbers) {
    uint64_t *keys, *hashes;
    pack_keys(groups, scratch, columns, column_count, row_count, &keys, &hashes);
    for (size_t i = 0; i < row_count; i++) {
        size_t slot;
        prefetch_slot(groups, hashes, i, row_count);
        numbers[i] = packed_find(groups, keys + i * groups->words, hashes[i], &slot);
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
    return groups->narrow      ? add_narrow(groups, scratch, columns[0], row_count, numbers, new_rows)
           : groups->words > 0 ? add_packed(groups, scratch, columns, column_count, row_count, numbers, new_rows)
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
    if (groups->words > 0) {
        find_packed(groups, scratch, columns, column_count, row_count, numbers);
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
