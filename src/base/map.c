#include "base/map.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/assert.h"

/* index slots hold entry number + 1; 0 is free; removed entries keep their slot until the next rebuild so that probes
 * go on past them. */

uint64_t hash_bytes(struct bytes view, uint64_t seed) {
    return XXH3_64bits_withSeed(view.data, view.size, seed);
}

void map_free(struct map *map) {
    for (size_t i = 0; i < map->entry_count; i++)
        free((void *)map->entries[i].key.data);
    free(map->entries);
    free(map->index);
    *map = (struct map){0};
}

static struct map_entry *find(const struct map *map, struct bytes key, uint64_t hash) {
    if (map->count == 0)
        return NULL;
    size_t mask = map->index_capacity - 1;
    for (size_t slot = hash & mask; map->index[slot] != 0; slot = (slot + 1) & mask) {
        struct map_entry *entry = &map->entries[map->index[slot] - 1];
        if (entry->key.data != NULL && entry->hash == hash && bytes_equal(entry->key, key))
            return entry;
    }
    return NULL;
}

void *map_get(const struct map *map, struct bytes key) {
    if (map->count == 0)
        return NULL;
    struct map_entry *entry = find(map, key, hash_bytes(key, map->seed));
    return entry == NULL ? NULL : entry->value;
}

void *map_get_text(const struct map *map, const char *key) {
    return map_get(map, bytes_from_text(key));
}

bool map_has(const struct map *map, struct bytes key) {
    return map->count > 0 && find(map, key, hash_bytes(key, map->seed)) != NULL;
}

static void index_entry(struct map *map, size_t entry) {
    size_t mask = map->index_capacity - 1;
    size_t slot = map->entries[entry].hash & mask;
    while (map->index[slot] != 0)
        slot = (slot + 1) & mask;
    map->index[slot] = (uint32_t)entry + 1;
}

/* Drops removed entries, makes room for one more and builds the index anew. */
static void rebuild(struct map *map) {
    size_t live = 0;
    for (size_t i = 0; i < map->entry_count; i++)
        if (map->entries[i].key.data != NULL)
            map->entries[live++] = map->entries[i];
    ASSERT(live == map->count && live < UINT32_MAX / 4);
    map->entry_count = live;
    size_t capacity = 8;
    while (capacity < live * 2 + 2)
        capacity *= 2;
    map->entry_capacity = capacity;
    map->entries = realloc(map->entries, capacity * sizeof *map->entries);
    free(map->index);
    map->index_capacity = capacity * 2;
    map->index = calloc(map->index_capacity, sizeof *map->index);
    ASSERT(map->entries != NULL && map->index != NULL);
    for (size_t i = 0; i < live; i++)
        index_entry(map, i);
}

void *map_set(struct map *map, struct bytes key, void *value) {
    if (map->seed == 0)
        map->seed = (uint64_t)(uintptr_t)map * 0x9e3779b97f4a7c15u | 1; /* address-space randomisation is enough here */
    uint64_t hash = hash_bytes(key, map->seed);
    struct map_entry *entry = find(map, key, hash);
    if (entry != NULL) {
        void *former = entry->value;
        entry->value = value;
        return former;
    }
    if (map->entry_count == map->entry_capacity)
        rebuild(map);
    uint8_t *copy = malloc(key.size + 1);
    ASSERT(copy != NULL);
    if (key.size > 0)
        memcpy(copy, key.data, key.size);
    copy[key.size] = 0;
    map->entries[map->entry_count] = (struct map_entry){bytes_make(copy, key.size), value, hash};
    index_entry(map, map->entry_count++);
    map->count++;
    return NULL;
}

void *map_set_text(struct map *map, const char *key, void *value) {
    return map_set(map, bytes_from_text(key), value);
}

void *map_remove(struct map *map, struct bytes key) {
    if (map->count == 0)
        return NULL;
    struct map_entry *entry = find(map, key, hash_bytes(key, map->seed));
    if (entry == NULL)
        return NULL;
    void *value = entry->value;
    free((void *)entry->key.data);
    entry->key = BYTES_NULL;
    map->count--;
    return value;
}

struct map_entry *map_next(const struct map *map, size_t *cursor) {
    while (*cursor < map->entry_count) {
        struct map_entry *entry = &map->entries[(*cursor)++];
        if (entry->key.data != NULL)
            return entry;
    }
    return NULL;
}
