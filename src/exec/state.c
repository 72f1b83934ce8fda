/* state.c: see state.h. */
#include "exec/state.h"

#include <stdlib.h>
#include "base/map.h"
#include "base/memory.h"

enum {
    BLOCK_SIZE_MIN = 16 << 10,
    BLOCK_SIZE_MAX = 1 << 20,
    BLOCKS_LARGE = 8 << 20,
    BLOCK_SIZE_LARGE = 4 << 20,
    ROOM_MAX = 256,
    PREFETCHED = 64
};

struct state_block {
    struct state_block *next;
    size_t size, used;
    uint8_t data[];
};

void state_table_init(struct state_table *table) {
    *table = (struct state_table){0};
}

static void free_blocks(struct state_block *block) {
    while (block != NULL) {
        struct state_block *next = block->next;
        memory_free_table(block, sizeof *block + block->size);
        block = next;
    }
}

void state_table_free(struct state_table *table) {
    memory_free_table(table->slots, table->slot_count * sizeof *table->slots);
    memory_free_table(table->entries, table->entry_capacity * sizeof *table->entries);
    free(table->lows);
    VECTOR_FREE(&table->changed);
    VECTOR_FREE(&table->unused);
    free_blocks(table->blocks);
    *table = (struct state_table){0};
}

void state_table_give_back(struct state_table *table) {
    size_t live_count = table->live_count;
    state_table_free(table);
    table->live_count = live_count;
}

size_t state_table_memory_size(const struct state_table *table) {
    return table->slot_count * sizeof *table->slots + table->entry_capacity * sizeof *table->entries +
           table->block_size + (table->changed.capacity + table->unused.capacity) * sizeof(uint32_t);
}

static uint8_t *take_bytes(struct state_table *table, size_t size) {
    struct state_block *block = table->blocks;
    if (block == NULL || block->size - block->used < size) {
        size_t room = table->block_size < BLOCK_SIZE_MIN   ? BLOCK_SIZE_MIN
                      : table->block_size > BLOCK_SIZE_MAX ? BLOCK_SIZE_MAX
                                                           : table->block_size;
        room = table->block_size > BLOCKS_LARGE ? BLOCK_SIZE_LARGE - sizeof *block : room;
        room = size > room ? size : room;
        block = memory_take_table(sizeof *block + room);
        *block = (struct state_block){table->blocks, room, 0};
        table->blocks = block;
        table->block_size += room;
    }
    uint8_t *at = block->data + block->used;
    block->used += size;
    return at;
}

/* ---- slots ---- */

static uint32_t slot_hash(uint64_t slot) {
    return (uint32_t)(slot >> 32);
}
/* UINT32_MAX for a free slot. */
static uint32_t slot_entry(uint64_t slot) {
    return (uint32_t)slot - 1;
}

static void free_slots(uint64_t *slots, size_t count) {
    memory_free_table(slots, count * sizeof *slots);
}

static void new_slots(struct state_table *table, size_t count) {
    table->slot_count = count;
    table->slots = memory_take_table(count * sizeof *table->slots);
}

static void grow_slots(struct state_table *table, size_t count) {
    uint64_t *old = table->slots;
    size_t old_count = table->slot_count;
    new_slots(table, count);
    for (size_t i = 0; i < old_count; i++) {
        if (old[i] != 0) {
            size_t at = slot_hash(old[i]) & (count - 1);
            while (table->slots[at] != 0) {
                at = (at + 1) & (count - 1);
            }
            table->slots[at] = old[i];
        }
    }
    free_slots(old, old_count);
}

/* At most three quarters full. */
static void reserve_slot(struct state_table *table) {
    size_t used = table->entry_count - table->unused.count;
    if ((used + 1) * 4 > table->slot_count * 3) {
        grow_slots(table, table->slot_count == 0 ? 64 : table->slot_count * 2);
    }
}

/* Images are whole words. */
static bool same_key(const struct state_entry *entry, struct bytes key) {
    if (entry->key_size != key.size || key.size % 8 != 0) {
        return bytes_equal(state_entry_key(entry), key);
    }
    uint64_t different = 0;
    for (size_t i = 0; i < key.size; i += 8) {
        different |= load_le64(entry->data + i) ^ load_le64(key.data + i);
    }
    return different == 0;
}

static uint32_t find_slot(const struct state_table *table, struct bytes key, uint32_t hash, size_t *slot) {
    size_t mask = table->slot_count - 1, at = hash & mask;
    while (table->slots[at] != 0) {
        if (slot_hash(table->slots[at]) == hash) {
            if (same_key(&table->entries[slot_entry(table->slots[at])], key)) {
                break;
            }
        }
        at = (at + 1) & mask;
    }
    *slot = at;
    return slot_entry(table->slots[at]);
}

/* Closes the gap at slot: later ones of the same run move up. */
static void free_slot(struct state_table *table, size_t slot) {
    size_t mask = table->slot_count - 1, gap = slot;
    for (size_t at = (slot + 1) & mask; table->slots[at] != 0; at = (at + 1) & mask) {
        size_t home = slot_hash(table->slots[at]) & mask;
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            table->slots[gap] = table->slots[at];
            gap = at;
        }
    }
    table->slots[gap] = 0;
}

static uint32_t hash_key(struct bytes key) {
    return (uint32_t)hash_bytes(key, 0);
}

uint32_t state_table_find(const struct state_table *table, struct bytes key) {
    size_t slot;
    return table->slot_count == 0 ? UINT32_MAX : find_slot(table, key, hash_key(key), &slot);
}

static uint32_t new_entry(struct state_table *table) {
    if (table->unused.count > 0) {
        return VECTOR_POP(&table->unused);
    }
    if (table->entry_count == table->entry_capacity) {
        size_t size = table->entry_capacity * sizeof *table->entries;
        table->entry_capacity = table->entry_capacity + table->entry_capacity / 2 + 256;
        ASSERT(table->entry_capacity < UINT32_MAX);
        struct state_entry *grown = memory_take_table(table->entry_capacity * sizeof *grown);
        if (size > 0) {
            memcpy(grown, table->entries, size);
        }
        memory_free_table(table->entries, size);
        table->entries = grown;
    }
    return (uint32_t)table->entry_count++;
}

static uint32_t add_hashed(struct state_table *table, struct bytes key, uint32_t hash) {
    size_t slot;
    reserve_slot(table);
    uint32_t number = find_slot(table, key, hash, &slot);
    if (number != UINT32_MAX) {
        return number;
    }
    number = new_entry(table);
    struct state_entry *entry = &table->entries[number];
    *entry = (struct state_entry){
        .data = take_bytes(table, key.size + table->value_room), .key_size = (uint32_t)key.size, .hash = hash};
    entry->room = table->value_room;
    if (key.size > 0) {
        memcpy(entry->data, key.data, key.size);
    }
    table->slots[slot] = (uint64_t)hash << 32 | (number + 1);
    return number;
}

uint32_t state_table_add(struct state_table *table, struct bytes key) {
    return add_hashed(table, key, hash_key(key));
}

/* The first entry with that hash, mostly the one that is looked for; UINT32_MAX: none. */
static uint32_t find_hash(const struct state_table *table, uint32_t hash) {
    size_t mask = table->slot_count - 1, at = hash & mask;
    while (table->slots[at] != 0 && slot_hash(table->slots[at]) != hash) {
        at = (at + 1) & mask;
    }
    return slot_entry(table->slots[at]);
}

/* Fetches what looking for these hashes will read: slots, then the entries that they name, then those' bytes. */
static void prefetch(const struct state_table *table, const uint32_t *hashes, size_t count) {
    size_t mask = table->slot_count - 1;
    uint32_t entries[PREFETCHED];
    for (size_t i = 0; i < count; i++) {
        __builtin_prefetch(&table->slots[hashes[i] & mask]);
    }
    for (size_t i = 0; i < count; i++) {
        entries[i] = find_hash(table, hashes[i]);
        if (entries[i] != UINT32_MAX) {
            __builtin_prefetch(&table->entries[entries[i]]);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (entries[i] != UINT32_MAX) {
            __builtin_prefetch(table->entries[entries[i]].data);
        }
    }
}

void state_table_find_all(const struct state_table *table, const struct row_images *keys, uint32_t *entries) {
    uint32_t hashes[PREFETCHED];
    for (size_t from = 0; from < keys->row_count; from += PREFETCHED) {
        size_t count = keys->row_count - from < PREFETCHED ? keys->row_count - from : PREFETCHED, slot;
        for (size_t i = 0; i < count; i++) {
            hashes[i] = hash_key(row_images_at(keys, from + i));
            entries[from + i] = UINT32_MAX;
        }
        if (table->slot_count > 0) {
            prefetch(table, hashes, count);
        }
        for (size_t i = 0; i < count && table->slot_count > 0; i++) {
            entries[from + i] = find_slot(table, row_images_at(keys, from + i), hashes[i], &slot);
        }
    }
}

void state_table_add_all(struct state_table *table, const struct row_images *keys, uint32_t *entries) {
    uint32_t hashes[PREFETCHED];
    for (size_t from = 0; from < keys->row_count; from += PREFETCHED) {
        size_t count = keys->row_count - from < PREFETCHED ? keys->row_count - from : PREFETCHED;
        reserve_slot(table);
        for (size_t i = 0; i < count; i++) {
            hashes[i] = hash_key(row_images_at(keys, from + i));
        }
        prefetch(table, hashes, count);
        for (size_t i = 0; i < count; i++) {
            entries[from + i] = add_hashed(table, row_images_at(keys, from + i), hashes[i]);
        }
    }
}

static void note_change(struct state_table *table, uint32_t number) {
    if (!table->entries[number].changed) {
        table->entries[number].changed = true;
        VECTOR_PUSH(&table->changed, number);
    }
}

static void set_value(struct state_table *table, uint32_t number, struct bytes value) {
    struct state_entry *entry = &table->entries[number];
    table->value_room = value.size > ROOM_MAX ? ROOM_MAX : (uint32_t)value.size;
    if (value.size > entry->room) {
        uint8_t *data = take_bytes(table, entry->key_size + value.size);
        memcpy(data, entry->data, entry->key_size);
        table->dead_size += entry->key_size + entry->room;
        entry->data = data;
        entry->room = (uint32_t)value.size;
    }
    if (value.size > 0) {
        memmove(entry->data + entry->key_size, value.data, value.size);
    }
    entry->value_size = (uint32_t)value.size;
    table->live_count += !entry->present;
    entry->present = true;
}

void state_table_put(struct state_table *table, uint32_t number, struct bytes value) {
    set_value(table, number, value);
    note_change(table, number);
}

void state_table_remove(struct state_table *table, uint32_t number) {
    struct state_entry *entry = &table->entries[number];
    if (entry->present) {
        entry->present = false;
        table->live_count--;
        note_change(table, number);
    }
}

/* Copies what lives into new blocks. */
static void pack(struct state_table *table) {
    struct state_block *old = table->blocks;
    table->blocks = NULL;
    table->block_size = table->dead_size = 0;
    for (size_t i = 0; i < table->entry_count; i++) {
        struct state_entry *entry = &table->entries[i];
        if (entry->data != NULL) {
            uint8_t *data = take_bytes(table, entry->key_size + entry->room);
            memcpy(data, entry->data, entry->key_size + entry->value_size);
            entry->data = data;
        }
    }
    free_blocks(old);
}

/* All slots anew, for the entries that are left. */
static void rebuild_slots(struct state_table *table) {
    size_t count = 64, used = table->entry_count - table->unused.count;
    while (used * 2 > count) {
        count *= 2;
    }
    enum { AHEAD = 16 };
    free_slots(table->slots, table->slot_count);
    new_slots(table, count);
    for (size_t i = 0; i < table->entry_count; i++) {
        const struct state_entry *entry = &table->entries[i];
        if (i + AHEAD < table->entry_count) {
            __builtin_prefetch(&table->slots[entry[AHEAD].hash & (count - 1)], 1);
        }
        if (entry->data != NULL) {
            size_t at = entry->hash & (count - 1);
            while (table->slots[at] != 0) {
                at = (at + 1) & (count - 1);
            }
            table->slots[at] = (uint64_t)entry->hash << 32 | (i + 1);
        }
    }
}

/* The slot that names the entry becomes free. */
static void free_slot_of(struct state_table *table, uint32_t number) {
    size_t mask = table->slot_count - 1, at = table->entries[number].hash & mask;
    while (slot_entry(table->slots[at]) != number) {
        at = (at + 1) & mask;
    }
    free_slot(table, at);
}

/* The entry's bytes and number are for others. */
static void release_entry(struct state_table *table, uint32_t number) {
    struct state_entry *entry = &table->entries[number];
    table->dead_size += entry->key_size + entry->room;
    *entry = (struct state_entry){0};
    VECTOR_PUSH(&table->unused, number);
}

static void prefetch_changed(const struct state_table *table, size_t from, bool slots) {
    enum { AHEAD = 16 };
    if (from + 2 * AHEAD < table->changed.count) {
        __builtin_prefetch(&table->entries[table->changed.items[from + 2 * AHEAD]], 1);
    }
    if (slots && from + AHEAD < table->changed.count) {
        const struct state_entry *entry = &table->entries[table->changed.items[from + AHEAD]];
        if (!entry->present) {
            __builtin_prefetch(&table->slots[entry->hash & (table->slot_count - 1)], 1);
        }
    }
}

void state_table_unindex(struct state_table *table) {
    free_slots(table->slots, table->slot_count);
    table->slots = NULL;
    table->slot_count = 0;
    table->is_linked = true;
}

uint32_t state_table_append(struct state_table *table, size_t key_size) {
    uint32_t number = new_entry(table);
    table->entries[number] = (struct state_entry){.data = take_bytes(table, key_size + table->value_room),
        .key_size = (uint32_t)key_size,
        .room = table->value_room};
    return number;
}

void state_table_index(struct state_table *table) {
    if (!table->is_linked) {
        return;
    }
    for (size_t i = 0; i < table->entry_count; i++) {
        struct state_entry *entry = &table->entries[i];
        if (entry->data != NULL) {
            entry->hash = hash_key(state_entry_key(entry));
        }
    }
    rebuild_slots(table);
    table->is_linked = false;
}

int64_t state_table_low(const struct state_table *table, size_t chunk) {
    return chunk < table->low_count ? table->lows[chunk] : INT64_MIN;
}

void state_table_set_low(struct state_table *table, size_t chunk, int64_t low) {
    if (chunk >= table->low_count) {
        size_t count = table->entry_count / STATE_CHUNK + 1;
        table->lows = realloc(table->lows, count * sizeof *table->lows);
        ASSERT(table->lows != NULL && chunk < count);
        for (; table->low_count < count; table->low_count++) {
            table->lows[table->low_count] = INT64_MIN;
        }
    }
    table->lows[chunk] = low;
}

void state_table_end_batch(struct state_table *table) {
    size_t used = table->entry_count - table->unused.count;
    bool indexed = !table->is_linked, rebuilds = indexed && used > 1024 && used - table->live_count > used / 3;
    for (size_t i = 0; i < table->changed.count; i++) {
        uint32_t number = table->changed.items[i];
        struct state_entry *entry = &table->entries[number];
        prefetch_changed(table, i, indexed && !rebuilds);
        entry->changed = false;
        if (!entry->present) {
            if (indexed && !rebuilds) {
                free_slot_of(table, number);
            }
            release_entry(table, number);
        }
    }
    table->changed.count = 0;
    if (rebuilds) {
        rebuild_slots(table);
    }
    if (table->dead_size > BLOCK_SIZE_MIN && table->dead_size * 2 > table->block_size) {
        pack(table);
    }
}

void state_table_apply(struct state_table *table, const struct bytes *keys, const struct bytes *values, size_t count) {
    uint32_t hashes[PREFETCHED];
    size_t slot;
    state_table_index(table);
    for (size_t from = 0; from < count; from += PREFETCHED) {
        size_t part = count - from < PREFETCHED ? count - from : PREFETCHED;
        reserve_slot(table);
        for (size_t i = 0; i < part; i++) {
            hashes[i] = hash_key(keys[from + i]);
        }
        prefetch(table, hashes, part);
        for (size_t i = 0; i < part; i++) {
            if (values[from + i].data != NULL) {
                set_value(table, add_hashed(table, keys[from + i], hashes[i]), values[from + i]);
                continue;
            }
            uint32_t number = find_slot(table, keys[from + i], hashes[i], &slot);
            if (number != UINT32_MAX) {
                table->live_count -= table->entries[number].present;
                free_slot(table, slot);
                release_entry(table, number);
            }
        }
    }
}

int64_t exec_state_row_count(const struct exec_state *state) {
    int64_t count = 0;
    for (size_t s = 0; s < state->store_count; s++) {
        for (size_t i = 0; i < state->partition_count && state->counts[s]; i++) {
            count += (int64_t)state->stores[s].tables[i].live_count;
        }
    }
    return count;
}

static bool next_window_of(const struct exec_state *state, const struct state_table *table, int64_t watermark_ms,
    int64_t *start, int64_t *end) {
    bool found = false;
    for (size_t i = 0; i < table->entry_count; i++) {
        const struct state_entry *entry = &table->entries[i];
        struct bytes key = state_entry_key(entry);
        if (entry->data == NULL || !entry->present || row_image_is_null(key, state->time_key)) {
            continue;
        }
        int64_t word = row_image_word(key, state->key_count, state->time_key);
        struct bytes window = bytes_slice(key, (size_t)((uint64_t)word >> 32), (size_t)(word & 0xffffffff));
        int64_t ends = row_image_word(window, 2, 1);
        if (!row_image_is_null(window, 1) && ends > watermark_ms * 1000 && ends < *end) {
            *start = row_image_word(window, 2, 0);
            *end = ends;
            found = true;
        }
    }
    return found;
}

bool exec_state_next_window(
    const struct exec_state *state, int64_t watermark_ms, size_t rows_max, int64_t *start, int64_t *end) {
    bool found = false;
    *end = INT64_MAX;
    if (!state->time_is_window || exec_state_row_count(state) > (int64_t)rows_max) {
        return false;
    }
    for (size_t i = 0; i < state->partition_count; i++) {
        if (state->parts[i].place == STATE_AWAY) {
            return false;
        }
        found |= next_window_of(state, &state->stores[0].tables[i], watermark_ms, start, end);
    }
    return found;
}

int64_t exec_state_memory_size(const struct exec_state *state) {
    int64_t size = 0;
    for (size_t s = 0; s < state->store_count; s++) {
        for (size_t i = 0; i < state->partition_count; i++) {
            size += (int64_t)state_table_memory_size(&state->stores[s].tables[i]);
        }
    }
    return size;
}
