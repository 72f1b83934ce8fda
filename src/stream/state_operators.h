/* state_operators.h: what a checkpoint says of its stateful operators and their stores
 * (state/<operator>/_metadata/metadata, and for operators with several kinds of rows in one store
 * state/<operator>/_metadata/v2/<batch>). Inside stream/ only. May wait for the disk. */
#ifndef STREAM_STATE_OPERATORS_H
#define STREAM_STATE_OPERATORS_H

#include "base/arena.h"
#include "base/vector.h"
#include "store/store.h"

struct state_store_info { /* texts in the arena that was given */
    int64_t operator_id;
    const char *operator_name, *store_name;
    int64_t partition_count, prefix_columns; /* prefix_columns: -1 in version 2, which does not say it */
    int version;
    const char *properties; /* of version 2, as they stand there; NULL: none */
};

struct state_store_infos { /* VECTOR_FREE */
    struct state_store_info *items;
    size_t count, capacity;
};

/* All stores of all operators, as of a batch. As in Spark nothing at all when one operator's file is missing or cannot
 * be read: checkpoints of Spark before 3.4 have none. */
void state_operators_list(struct store *store, struct arena *arena, const char *checkpoint, int64_t batch_id,
    struct state_store_infos *infos);
/* The numbers among the names in a folder, ascending; folders only, or files only. VECTOR_FREE. */
struct state_numbers {
    int64_t *items;
    size_t count, capacity;
};
void state_numbers_list(
    struct store *store, struct arena *arena, const char *folder, bool folders, struct state_numbers *numbers);

#endif
