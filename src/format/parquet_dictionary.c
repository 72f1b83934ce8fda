/* parquet_dictionary.c: values of a column chunk to small numbers. Integers near the first one seen go through a table
 * by value (most dictionaries are of narrow ranges), the others through open addressing. */
#include "format/parquet_page.h"

#include <stdlib.h>
#include "base/assert.h"
#include "base/map.h"

enum { COUNT_MAX = 1 << 17, SIZE_MAX_BYTES = 1 << 20, NEAR_SIZE = 1 << 16 };

struct parquet_dictionary {
    size_t value_size;
    size_t count;
    struct buffer plain; /* the values as the dictionary page has them */
    uint32_t *slots;     /* index + 1; power of two */
    size_t slot_count;
    struct parquet_text *places; /* BYTE_ARRAY: where in plain */
    uint32_t *near;              /* index + 1 of near_base + i; of 4 and 8 byte values */
    int64_t near_base;
};

struct parquet_dictionary *parquet_dictionary_create(size_t value_size) {
    struct parquet_dictionary *dictionary = calloc(1, sizeof *dictionary);
    ASSERT(dictionary != NULL);
    dictionary->value_size = value_size;
    dictionary->slot_count = 1024;
    dictionary->slots = calloc(dictionary->slot_count, sizeof *dictionary->slots);
    dictionary->places = value_size == 0 ? calloc(COUNT_MAX, sizeof *dictionary->places) : NULL;
    dictionary->near = value_size == 4 || value_size == 8 ? calloc(NEAR_SIZE, sizeof *dictionary->near) : NULL;
    ASSERT(dictionary->slots != NULL);
    return dictionary;
}

void parquet_dictionary_destroy(struct parquet_dictionary *dictionary) {
    if (dictionary != NULL) {
        buffer_free(&dictionary->plain);
        free(dictionary->slots);
        free(dictionary->places);
        free(dictionary->near);
        free(dictionary);
    }
}

void parquet_dictionary_clear(struct parquet_dictionary *dictionary) {
    dictionary->count = 0;
    buffer_clear(&dictionary->plain);
    memset(dictionary->slots, 0, dictionary->slot_count * sizeof *dictionary->slots);
    if (dictionary->near != NULL) {
        memset(dictionary->near, 0, NEAR_SIZE * sizeof *dictionary->near);
    }
}

static struct bytes value_at(const struct parquet_dictionary *dictionary, size_t index) {
    if (dictionary->value_size > 0) {
        return bytes_make(dictionary->plain.data + index * dictionary->value_size, dictionary->value_size);
    }
    return bytes_make(dictionary->plain.data + dictionary->places[index].offset, dictionary->places[index].size);
}

static uint64_t hash_value(struct bytes value) {
    if (value.size == 4 || value.size == 8) {
        uint64_t word = 0;
        memcpy(&word, value.data, value.size);
        return word * 0x9e3779b97f4a7c15u;
    }
    return hash_bytes(value, 0);
}

static uint32_t *find_slot(const struct parquet_dictionary *dictionary, struct bytes value, uint64_t hash) {
    size_t mask = dictionary->slot_count - 1, at = (size_t)(hash >> 32) & mask;
    while (dictionary->slots[at] != 0 && !bytes_equal(value_at(dictionary, dictionary->slots[at] - 1), value)) {
        at = (at + 1) & mask;
    }
    return &dictionary->slots[at];
}

static void rehash(struct parquet_dictionary *dictionary, size_t slot_count) {
    free(dictionary->slots);
    dictionary->slot_count = slot_count;
    dictionary->slots = calloc(slot_count, sizeof *dictionary->slots);
    ASSERT(dictionary->slots != NULL);
    for (size_t i = 0; i < dictionary->count; i++) {
        struct bytes value = value_at(dictionary, i);
        *find_slot(dictionary, value, hash_value(value)) = (uint32_t)i + 1;
    }
}

static void append_plain(struct parquet_dictionary *dictionary, struct bytes value) {
    if (dictionary->value_size == 0) {
        uint32_t size = (uint32_t)value.size;
        buffer_append(&dictionary->plain, &size, 4);
        dictionary->places[dictionary->count] = (struct parquet_text){(uint32_t)dictionary->plain.size, size};
    }
    buffer_append_bytes(&dictionary->plain, value);
}

/* Index of the value, added when new; UINT32_MAX when there is no room. */
static uint32_t add(struct parquet_dictionary *dictionary, struct bytes value) {
    uint64_t hash = hash_value(value);
    uint32_t *slot = find_slot(dictionary, value, hash);
    if (*slot != 0) {
        return *slot - 1;
    }
    if (dictionary->count == COUNT_MAX || dictionary->plain.size + value.size + 4 > SIZE_MAX_BYTES) {
        return UINT32_MAX;
    }
    append_plain(dictionary, value);
    *slot = (uint32_t)++dictionary->count;
    if (dictionary->count * 2 > dictionary->slot_count) {
        rehash(dictionary, dictionary->slot_count * 4);
    }
    return (uint32_t)dictionary->count - 1;
}

/* Loop over integers: the table by value first. */
#define ADD_NEAR(name, type)                                                                                           \
    static bool name(struct parquet_dictionary *dictionary, const type *values, size_t count, uint32_t *indexes) {     \
        if (dictionary->count == 0 && count > 0) {                                                                     \
            dictionary->near_base = (int64_t)((uint64_t)(int64_t)values[0] - NEAR_SIZE / 2);                           \
        }                                                                                                              \
        uint64_t base = (uint64_t)dictionary->near_base;                                                               \
        uint32_t *near = dictionary->near;                                                                             \
        for (size_t i = 0; i < count; i++) {                                                                           \
            uint64_t distance = (uint64_t)(int64_t)values[i] - base;                                                   \
            if (distance < NEAR_SIZE && near[distance] != 0) {                                                         \
                indexes[i] = near[distance] - 1;                                                                       \
                continue;                                                                                              \
            }                                                                                                          \
            uint32_t index = add(dictionary, bytes_make(&values[i], sizeof values[i]));                                \
            if (index == UINT32_MAX) {                                                                                 \
                return false;                                                                                          \
            }                                                                                                          \
            indexes[i] = index;                                                                                        \
            if (distance < NEAR_SIZE) {                                                                                \
                near[distance] = index + 1;                                                                            \
            }                                                                                                          \
        }                                                                                                              \
        return true;                                                                                                   \
    }
ADD_NEAR(add_near32, int32_t)
ADD_NEAR(add_near64, int64_t)
#undef ADD_NEAR

bool parquet_dictionary_add(
    struct parquet_dictionary *dictionary, const void *values, const uint8_t *texts, size_t count, uint32_t *indexes) {
    if (dictionary->value_size == 4) {
        return add_near32(dictionary, values, count, indexes);
    }
    if (dictionary->value_size == 8) {
        return add_near64(dictionary, values, count, indexes);
    }
    const struct parquet_text *places = values;
    for (size_t i = 0; i < count; i++) {
        struct bytes value =
            dictionary->value_size > 0
                ? bytes_make((const uint8_t *)values + i * dictionary->value_size, dictionary->value_size)
                : bytes_make(texts + places[i].offset, places[i].size);
        indexes[i] = add(dictionary, value);
        if (indexes[i] == UINT32_MAX) {
            return false;
        }
    }
    return true;
}

size_t parquet_dictionary_count(const struct parquet_dictionary *dictionary) {
    return dictionary->count;
}

void parquet_dictionary_truncate(struct parquet_dictionary *dictionary, size_t count) {
    if (count == dictionary->count) {
        return;
    }
    size_t size = count == 0 ? 0
                  : dictionary->value_size > 0
                      ? count * dictionary->value_size
                      : dictionary->places[count - 1].offset + dictionary->places[count - 1].size;
    dictionary->count = count;
    dictionary->plain.size = size;
    rehash(dictionary, dictionary->slot_count);
    for (size_t i = 0; dictionary->near != NULL && i < NEAR_SIZE; i++) {
        dictionary->near[i] = dictionary->near[i] > count ? 0 : dictionary->near[i];
    }
}

struct bytes parquet_dictionary_plain(const struct parquet_dictionary *dictionary) {
    return buffer_view(&dictionary->plain);
}
