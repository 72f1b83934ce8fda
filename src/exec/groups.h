/* groups.h: numbers for distinct keys: the hash table below grouping, DISTINCT and joins.
 *
 * One key column of at most 8 bytes is looked up by its value; several of them, and structs of them (time windows), as
 * a few 64-bit words, of which the first holds a bit for each null; anything else by its bytes (keys.h). Open
 * addressing with linear probing over 32-bit group numbers, at most half full; the hash of each group is kept, so that
 * growing does not look at keys. */
#ifndef EXEC_GROUPS_H
#define EXEC_GROUPS_H

#include "exec/keys.h"

enum { GROUP_NONE = -1 };

struct groups {
    struct arena arena; /* keys' bytes */
    bool narrow;        /* one column of at most 8 bytes */
    size_t words;       /* of a packed key; 0: not packed */
    uint32_t *slots;    /* group number + 1; 0: free */
    size_t slot_count;  /* a power of two */
    uint64_t *hashes;
    union {
        uint64_t *values; /* narrow; packed: `words` for each group */
        struct bytes *keys;
    };
    size_t count, capacity;
    int64_t null_group; /* narrow: the group of the null key, or GROUP_NONE */
};

void groups_init(struct groups *groups, const struct type *const *types, size_t column_count);
void groups_free(struct groups *groups);
/* Group number of each row, new groups being added. Rows that made a new group are listed in new_rows (room for
 * row_count), in the order of the new numbers; returns how many. scratch holds what is only needed now. */
size_t groups_add(struct groups *groups, struct arena *scratch, struct column *const *columns, size_t column_count,
    size_t row_count, uint32_t *numbers, uint32_t *new_rows);
/* Group number of each row, or UINT32_MAX for keys that were never added. */
void groups_find(const struct groups *groups, struct arena *scratch, struct column *const *columns, size_t column_count,
    size_t row_count, uint32_t *numbers);
/* Bytes held. */
size_t groups_memory_size(const struct groups *groups);

#endif
