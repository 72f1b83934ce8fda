/* java_order.c: HashMap keeps a table of a power of two buckets, doubled when more than three quarters as many keys are
 * in it; a key's bucket is (h ^ h >> 16) modulo the size, keys of a bucket stay in the order they came. */
#include "cli/kafka/java_order.h"

#include <stdlib.h>

#include "base/assert.h"

int32_t java_string_hash(struct bytes text) {
    uint32_t hash = 0;
    for (size_t i = 0; i < text.size; i++)
        hash = hash * 31 + text.data[i];
    return (int32_t)hash;
}

void java_hash_order(const int32_t *hashes, size_t count, size_t capacity, size_t *order) {
    while (count * 4 > capacity * 3)
        capacity *= 2;
    size_t placed = 0;
    size_t *starts = calloc(capacity + 1, sizeof *starts);
    ASSERT(starts);
    for (size_t i = 0; i < count; i++) {
        uint32_t hash = (uint32_t)hashes[i];
        starts[((hash ^ hash >> 16) & (capacity - 1)) + 1]++;
    }
    for (size_t bucket = 0; bucket < capacity; bucket++)
        starts[bucket + 1] += starts[bucket];
    for (size_t i = 0; i < count; i++, placed++) {
        uint32_t hash = (uint32_t)hashes[i];
        order[starts[(hash ^ hash >> 16) & (capacity - 1)]++] = i;
    }
    ASSERT(placed == count);
    free(starts);
}

void java_map_order(const struct bytes *keys, size_t count, size_t capacity, size_t *order) {
    int32_t *hashes = calloc(count + 1, sizeof *hashes);
    ASSERT(hashes);
    for (size_t i = 0; i < count; i++)
        hashes[i] = java_string_hash(keys[i]);
    java_hash_order(hashes, count, capacity, order);
    free(hashes);
}
