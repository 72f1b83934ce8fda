/* sort_rows.c: a merge sort over (first 8 bytes of the key, row); keys are only compared in full when these are equal.
 * */
#include "exec/sort_rows.h"

#include <stdlib.h>

struct entry {
    uint64_t prefix;
    uint32_t row;
};

enum { RUN = 8 };

static uint64_t key_prefix(struct bytes key) {
    uint8_t bytes[8] = {0};
    memcpy(bytes, key.data, key.size < 8 ? key.size : 8);
    return load_be64(bytes);
}

static inline bool entry_less(const struct keys *keys, const struct entry *left, const struct entry *right) {
    if (left->prefix != right->prefix) {
        return left->prefix < right->prefix;
    }
    return bytes_compare(keys_at(keys, left->row), keys_at(keys, right->row)) < 0;
}

static void insertion_sort(const struct keys *keys, struct entry *entries, size_t count) {
    for (size_t i = 1; i < count; i++) {
        struct entry entry = entries[i];
        size_t j = i;
        for (; j > 0 && entry_less(keys, &entry, &entries[j - 1]); j--) {
            entries[j] = entries[j - 1];
        }
        entries[j] = entry;
    }
}

static void merge(const struct keys *keys, const struct entry *left, size_t left_count, const struct entry *right,
    size_t right_count, struct entry *out) {
    size_t i = 0, j = 0;
    while (i < left_count && j < right_count) {
        *out++ = entry_less(keys, &right[j], &left[i]) ? right[j++] : left[i++];
    }
    memcpy(out, left + i, (left_count - i) * sizeof *out);
    memcpy(out + (left_count - i), right + j, (right_count - j) * sizeof *out);
}

void sort_rows(const struct keys *keys, uint32_t *indexes) {
    size_t count = keys->row_count;
    struct entry *entries = malloc((count + 1) * sizeof *entries), *spare = malloc((count + 1) * sizeof *spare);
    ASSERT(entries != NULL && spare != NULL);
    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct entry){key_prefix(keys_at(keys, i)), (uint32_t)i};
    }
    for (size_t start = 0; start < count; start += RUN) {
        insertion_sort(keys, entries + start, count - start < RUN ? count - start : RUN);
    }
    for (size_t width = RUN; width < count; width *= 2) {
        for (size_t start = 0; start < count; start += 2 * width) {
            size_t left = count - start < width ? count - start : width;
            size_t right = count - start - left < width ? count - start - left : width;
            merge(keys, entries + start, left, entries + start + left, right, spare + start);
        }
        struct entry *other = entries;
        entries = spare;
        spare = other;
    }
    for (size_t i = 0; i < count; i++) {
        indexes[i] = entries[i].row;
    }
    free(entries);
    free(spare);
}
