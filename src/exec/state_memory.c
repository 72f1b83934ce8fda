/* state_memory.c: which partitions of the states are in memory. A worker enters a partition before it works on it and
 * leaves it afterwards. All memory together may pass half of the budget only for a moment: a partition that is left
 * while it does is written (the batch's changes, which reach the disk before the batch commits anyhow) and freed. The
 * partitions come in the same order in every batch, so it is best that those in memory stay there and the others come
 * and go. The other half of the budget is for a batch's own rows; when these need more, partitions that nobody has
 * changed are given back at once. */
#include "exec/run.h"
#include "exec/state_chains.h"

enum { SHARES = 2 };

void operator_keeps_state(struct operator* operator, struct exec_state * state) {
    operator->state = state;
    state->spills = true;
}

static size_t number_of(const struct exec_query *query, const struct exec_state *state) {
    size_t number = 0;
    while (query->states.items[number] != state) {
        number++;
    }
    return number;
}

/* Tells the budget what the tables of a partition hold. */
static void account(struct exec_query *query, struct exec_state *state, size_t partition) {
    struct state_part *part = &state->parts[partition];
    int64_t size = 0;
    for (size_t s = 0; s < state->store_count; s++) {
        size += (int64_t)state_table_memory_size(&state->stores[s].tables[partition]);
    }
    size += (int64_t)state_chains_memory_size(part->chains);
    __atomic_fetch_add(&query->engine->memory_used, size - part->memory_counted, __ATOMIC_RELAXED);
    __atomic_fetch_add(&state->memory_counted, size - part->memory_counted, __ATOMIC_RELAXED);
    part->memory_counted = size;
}

void exec_state_forget_chains(struct exec_state *state, size_t partition) {
    state_chains_free(state->parts[partition].chains);
    state->parts[partition].chains = NULL;
}

static void free_tables(struct exec_query *query, struct exec_state *state, size_t partition) {
    for (size_t s = 0; s < state->store_count; s++) {
        state_table_give_back(&state->stores[s].tables[partition]);
    }
    exec_state_forget_chains(state, partition);
    account(query, state, partition);
}

static int64_t memory_used(const struct exec_query *query) {
    return __atomic_load_n(&query->engine->memory_used, __ATOMIC_RELAXED);
}

static int64_t state_share(const struct exec_query *query) {
    return query->engine->memory_limit / SHARES;
}

/* Reads a partition into its tables. */
static bool load(struct exec_query *query, struct exec_state *state, size_t partition, struct sql_error *error) {
    const struct exec_state_files *files = &query->state_files;
    bool good = files->load(files->argument, number_of(query, state), partition, error);
    account(query, state, partition);
    return good;
}

/* Whether all memory is within the budget, after giving back what can be. */
static bool fits(struct exec_query *query, const struct exec_state *state, struct sql_error *error) {
    int64_t limit = query->engine->memory_limit;
    if (memory_used(query) > limit) {
        state_memory_shrink(query, limit);
    }
    return memory_used(query) <= limit ||
           raise_out_of_memory_budget(error, arena_printf(error->arena, "%lld MiB", (long long)(limit >> 20)),
               state->operator_name, arena_printf(error->arena, "%lld MiB", (long long)(state->memory_counted >> 20)));
}

bool state_memory_enter(struct op_run *run, struct exec_state *state) {
    struct exec_query *query = run->exec->query;
    size_t partition = run->source_partition;
    struct state_part *part = &state->parts[partition];
    world_mutex_lock(&query->state_lock);
    bool away = part->place == STATE_AWAY;
    part->place = STATE_USED;
    world_mutex_unlock(&query->state_lock);
    if (!away) {
        return true;
    }
    __atomic_fetch_add(&state->loads, 1, __ATOMIC_RELAXED);
    return load(query, state, partition, run->error) && fits(query, state, run->error);
}

bool state_memory_leave(struct op_run *run, struct exec_state *state) {
    struct exec_query *query = run->exec->query;
    const struct exec_state_files *files = &query->state_files;
    size_t partition = run->source_partition;
    bool saves;
    account(query, state, partition);
    saves = memory_used(query) > state_share(query) && files->save != NULL && state->in_use;
    if (saves) {
        if (!files->save(files->argument, number_of(query, state), partition, run->error)) {
            return false;
        }
        __atomic_fetch_add(&run->exec->spilled, state->parts[partition].memory_counted, __ATOMIC_RELAXED);
        free_tables(query, state, partition);
    }
    world_mutex_lock(&query->state_lock);
    state->parts[partition].place = saves ? STATE_SAVED : STATE_CHANGED;
    world_mutex_unlock(&query->state_lock);
    return true;
}

void state_memory_shrink(struct exec_query *query, int64_t size) {
    if (query->state_files.load == NULL) {
        return;
    }
    world_mutex_lock(&query->state_lock);
    for (size_t i = query->states.count; i-- > 0;) {
        struct exec_state *state = query->states.items[i];
        for (size_t p = state->used_partitions; p-- > 0 && memory_used(query) > size;) {
            if (state->spills && state->in_use && state->parts[p].place == STATE_RESIDENT) {
                free_tables(query, state, p);
                state->parts[p].place = STATE_AWAY;
            }
        }
    }
    world_mutex_unlock(&query->state_lock);
}

bool state_memory_is_short(const struct exec_query *query) {
    bool away = false;
    for (size_t i = 0; i < query->states.count; i++) {
        const struct exec_state *state = query->states.items[i];
        for (size_t p = 0; p < state->used_partitions; p++) {
            away = away || state->parts[p].place == STATE_AWAY;
        }
    }
    return away || memory_used(query) > state_share(query) / 2;
}

/* ---- between runs ---- */

void exec_query_set_state_files(struct exec_query *query, const struct exec_state_files *files) {
    query->state_files = *files;
}

bool exec_query_load_state(struct exec_query *query, size_t number, size_t partition, struct sql_error *error) {
    struct exec_state *state = query->states.items[number];
    if (!load(query, state, partition, error)) {
        return false;
    }
    if (memory_used(query) > state_share(query) && state->spills) {
        free_tables(query, state, partition);
        state->parts[partition].place = STATE_AWAY;
        return true;
    }
    return fits(query, state, error);
}

void exec_query_note_saved(struct exec_query *query) {
    for (size_t i = 0; i < query->states.count; i++) {
        struct exec_state *state = query->states.items[i];
        for (size_t p = 0; p < state->partition_count; p++) {
            enum state_place place = state->parts[p].place;
            state->parts[p].place = place == STATE_SAVED || place == STATE_AWAY ? STATE_AWAY : STATE_RESIDENT;
        }
    }
}

bool exec_query_account_state(struct exec_query *query, struct sql_error *error) {
    int64_t before = 0, after = 0, most = -1;
    const struct exec_state *largest = NULL;
    for (size_t i = 0; i < query->states.count; i++) {
        struct exec_state *state = query->states.items[i];
        before += state->memory_counted;
        for (size_t p = 0; p < state->partition_count; p++) {
            account(query, state, p);
        }
        after += state->memory_counted;
        largest = state->memory_counted > most ? state : largest;
        most = largest->memory_counted;
    }
    state_memory_shrink(query, state_share(query));
    return after <= before || fits(query, largest, error);
}
