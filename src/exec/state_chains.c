/* state_chains.c: see state_chains.h. */
#include "exec/state_chains.h"

#include <stdlib.h>

/* The entry's key with a word of 0. (A key from the disk may be shorter than the schema says.) */
static struct bytes key_of(struct state_chains *chains, const struct state_table *table, uint32_t entry) {
    buffer_clear(&chains->key);
    buffer_append_bytes(&chains->key, state_entry_key(&table->entries[entry]));
    if (chains->key.size >= chains->word_at + 8) {
        memset(chains->key.data + chains->word_at, 0, 8);
    }
    return buffer_view(&chains->key);
}

static uint32_t first_of(const struct state_table *heads, uint32_t head) {
    uint32_t first = STATE_CHAIN_END;
    if (head != UINT32_MAX && heads->entries[head].present) {
        memcpy(&first, state_entry_value(&heads->entries[head]).data, sizeof first);
    }
    return first;
}

static void set_first(struct state_table *heads, uint32_t head, uint32_t first) {
    if (first == STATE_CHAIN_END) {
        state_table_remove(heads, head);
    } else {
        state_table_put(heads, head, bytes_make(&first, sizeof first));
    }
}

void state_chains_add(struct state_chains *chains, const struct state_table *table, uint32_t entry) {
    if (entry >= chains->link_count) {
        chains->link_count = table->entry_capacity;
        chains->links = realloc(chains->links, chains->link_count * sizeof *chains->links);
        ASSERT(chains->links != NULL);
    }
    uint32_t head = state_table_add(&chains->heads, key_of(chains, table, entry));
    uint32_t first = first_of(&chains->heads, head);
    chains->links[entry] = (struct state_link){first, STATE_CHAIN_END};
    if (first != STATE_CHAIN_END) {
        chains->links[first].before = entry;
    }
    set_first(&chains->heads, head, entry);
}

void state_chains_remove(struct state_chains *chains, const struct state_table *table, uint32_t entry) {
    struct state_link link = chains->links[entry];
    if (link.next != STATE_CHAIN_END) {
        chains->links[link.next].before = link.before;
    }
    if (link.before != STATE_CHAIN_END) {
        chains->links[link.before].next = link.next;
    } else {
        set_first(&chains->heads, state_table_find(&chains->heads, key_of(chains, table, entry)), link.next);
    }
}

uint32_t state_chains_first(const struct state_chains *chains, struct bytes key) {
    return first_of(&chains->heads, state_table_find(&chains->heads, key));
}

struct state_chains *state_chains_create(const struct state_table *table, size_t word_at) {
    struct state_chains *chains = calloc(1, sizeof *chains);
    ASSERT(chains != NULL);
    chains->word_at = word_at;
    state_table_init(&chains->heads);
    for (size_t i = 0; i < table->entry_count; i++) {
        if (table->entries[i].data != NULL && table->entries[i].present) {
            state_chains_add(chains, table, (uint32_t)i);
        }
    }
    state_table_end_batch(&chains->heads);
    return chains;
}

void state_chains_end_batch(struct state_chains *chains) {
    state_table_end_batch(&chains->heads);
}

void state_chains_free(struct state_chains *chains) {
    if (chains != NULL) {
        state_table_free(&chains->heads);
        buffer_free(&chains->key);
        free(chains->links);
        free(chains);
    }
}

size_t state_chains_memory_size(const struct state_chains *chains) {
    return chains == NULL
               ? 0
               : sizeof *chains + chains->link_count * sizeof *chains->links + state_table_memory_size(&chains->heads);
}
