/* state_chains.h: the entries of a table whose keys differ in one word alone, chained: the sessions of a key, whose
 * start is that word. Kept beside the table in memory, never on disk; made from it when it is first needed. Internal to
 * exec/ and stream/.
 *
 * Whoever puts an entry that was not there adds it, whoever removes one takes it out, before the batch ends. */
#ifndef EXEC_STATE_CHAINS_H
#define EXEC_STATE_CHAINS_H

#include "exec/state.h"

#define STATE_CHAIN_END UINT32_MAX

struct state_chains {
    size_t word_at;           /* where in the keys the word is */
    struct state_table heads; /* from keys with a word of 0 to the first entry */
    struct state_link {
        uint32_t next, before; /* before STATE_CHAIN_END: it is the first */
    } * links;                 /* per entry of the table */
    size_t link_count;
    struct buffer key; /* at hand */
};

struct state_chains *state_chains_create(const struct state_table *table, size_t word_at);
void state_chains_free(struct state_chains *chains); /* NULL is fine */
void state_chains_add(struct state_chains *chains, const struct state_table *table, uint32_t entry);
void state_chains_remove(struct state_chains *chains, const struct state_table *table, uint32_t entry);
/* The first entry with that key, whose word is 0, or STATE_CHAIN_END; the one behind an entry. */
uint32_t state_chains_first(const struct state_chains *chains, struct bytes key);
static inline uint32_t state_chains_next(const struct state_chains *chains, uint32_t entry) {
    return chains->links[entry].next;
}
/* After a batch: keys without entries are forgotten. */
void state_chains_end_batch(struct state_chains *chains);
size_t state_chains_memory_size(const struct state_chains *chains); /* 0 for NULL */

#endif
