/* map.h: hash map from bytes to a pointer. Keys are copied. Iteration order is insertion order as long as nothing is
 * removed. Open addressing over an index of a dense entry array. Keys are hashed with a per-map seed so that input
 * cannot choose collisions. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/bytes.h"

struct map_entry {
    struct bytes key; /* NUL follows the key's bytes */
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *entries; /* removed entries have key.data == NULL */
    size_t entry_count, entry_capacity;
    uint32_t *index;
    size_t index_capacity;
    size_t count; /* live entries */
    uint64_t seed;
};

/* A zero-initialised map is ready for use. Frees keys and table; values are the caller's. */
void map_free(struct map *map);
void *map_get(const struct map *map, struct bytes key);
void *map_get_text(const struct map *map, const char *key);
bool map_has(const struct map *map, struct bytes key);
/* Sets or replaces; returns the former value or NULL. */
void *map_set(struct map *map, struct bytes key, void *value);
void *map_set_text(struct map *map, const char *key, void *value);
/* Removes and returns the value, or NULL. */
void *map_remove(struct map *map, struct bytes key);
/* Next live entry at or after *cursor (start with 0), or NULL at the end. Removing the returned entry while iterating
 * is allowed. */
struct map_entry *map_next(const struct map *map, size_t *cursor);
/* 64-bit hash (xxHash3) of bytes. */
uint64_t hash_bytes(struct bytes view, uint64_t seed);

#endif
