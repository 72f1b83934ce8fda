/* aggregate_table.c: see aggregate_table.h. */
#include "exec/aggregate_table.h"

#include <stdlib.h>
#include "sql/function.h"

/* ---- tables ---- */

void aggregate_table_init(const struct aggregate *aggregate, struct aggregate_table *table) {
    table->holder = batch_create(aggregate->base.schema);
    groups_init(&table->groups, aggregate->key_types, aggregate->key_count);
    table->states = ARENA_ARRAY(&table->holder->arena, uint8_t *, aggregate->call_count);
    table->seen = ARENA_ARRAY(&table->holder->arena, struct groups, aggregate->call_count);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        table->seen[i].null_group = GROUP_NONE;
    }
}

struct aggregate_run aggregate_table_run(
    const struct aggregate_slot *slot, struct aggregate_table *table, size_t index, struct evaluation *evaluation) {
    return (struct aggregate_run){.evaluation = evaluation,
        .call = &slot->call,
        .arena = &table->holder->arena,
        .states = table->states[index],
        .group_count = table->group_count};
}

void aggregate_table_free(const struct aggregate *aggregate, struct aggregate_table *table) {
    if (table->holder == NULL) {
        return;
    }
    for (size_t i = 0; i < aggregate->call_count; i++) {
        if (aggregate->calls[i].entry->destroy != NULL) {
            struct aggregate_run run = aggregate_table_run(&aggregate->calls[i], table, i, NULL);
            aggregate->calls[i].entry->destroy(&run);
        }
        free(table->states[i]);
        groups_free(&table->seen[i]);
    }
    groups_free(&table->groups);
    batch_release(table->holder);
    *table = (struct aggregate_table){0};
}

size_t aggregate_table_memory_size(const struct aggregate *aggregate, const struct aggregate_table *table) {
    size_t size = batch_memory_size(table->holder) + groups_memory_size(&table->groups);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        size += table->state_capacity * aggregate->calls[i].entry->state_size + groups_memory_size(&table->seen[i]);
    }
    return size;
}

void aggregate_table_set_group_count(
    const struct aggregate *aggregate, struct aggregate_table *table, size_t group_count) {
    if (group_count > table->state_capacity) {
        size_t capacity = table->state_capacity * 2 > group_count ? table->state_capacity * 2 : group_count;
        capacity = capacity < 64 ? 64 : capacity;
        for (size_t i = 0; i < aggregate->call_count; i++) {
            size_t size = aggregate->calls[i].entry->state_size;
            uint8_t *states = realloc(table->states[i], capacity * size);
            ASSERT(states != NULL || size == 0);
            memset(states + table->state_capacity * size, 0, (capacity - table->state_capacity) * size);
            table->states[i] = states;
        }
        table->state_capacity = capacity;
    }
    table->group_count = group_count;
}

static void add_key_chunk(const struct aggregate *aggregate, struct aggregate_table *table, struct column *const *keys,
    const uint32_t *new_rows, size_t count) {
    if (count == 0) {
        return;
    }
    struct arena *arena = &table->holder->arena;
    if (table->chunk_count == table->chunk_capacity) {
        size_t capacity = table->chunk_capacity * 2 + 16;
        struct column ***chunks = ARENA_ARRAY(arena, struct column **, capacity);
        size_t *rows = ARENA_ARRAY(arena, size_t, capacity);
        for (size_t i = 0; i < table->chunk_count; i++) {
            chunks[i] = table->key_chunks[i];
            rows[i] = table->chunk_rows[i];
        }
        table->key_chunks = chunks;
        table->chunk_rows = rows;
        table->chunk_capacity = capacity;
    }
    struct column **chunk = ARENA_ARRAY(arena, struct column *, aggregate->key_count);
    struct arena scratch = {0};
    for (size_t i = 0; i < aggregate->key_count; i++) {
        struct column *taken = column_take(&scratch, keys[i], new_rows, count);
        chunk[i] = column_copy(arena, taken);
    }
    arena_destroy(&scratch);
    table->key_chunks[table->chunk_count] = chunk;
    table->chunk_rows[table->chunk_count++] = count;
}

/* Group numbers of the rows; NULL when there are no keys (one group). */
uint32_t *aggregate_table_groups(const struct aggregate *aggregate, struct aggregate_table *table,
    struct arena *scratch, struct column *const *keys, size_t row_count) {
    if (aggregate->key_count == 0) {
        aggregate_table_set_group_count(aggregate, table, 1);
        return NULL;
    }
    uint32_t *numbers = arena_allocate(scratch, row_count * sizeof *numbers);
    uint32_t *new_rows = arena_allocate(scratch, row_count * sizeof *new_rows);
    size_t added = groups_add(&table->groups, scratch, keys, aggregate->key_count, row_count, numbers, new_rows);
    add_key_chunk(aggregate, table, keys, new_rows, added);
    aggregate_table_set_group_count(aggregate, table, table->groups.count);
    return numbers;
}

/* The key column `index` of all groups. */
struct column *aggregate_table_key(
    struct arena *arena, const struct aggregate *aggregate, const struct aggregate_table *table, size_t index) {
    if (table->chunk_count == 0) {
        return column_create(arena, aggregate->key_types[index], 0);
    }
    struct column **parts = ARENA_ARRAY(arena, struct column *, table->chunk_count);
    for (size_t i = 0; i < table->chunk_count; i++) {
        parts[i] = table->key_chunks[i][index];
    }
    return column_concat(arena, parts, table->chunk_rows, table->chunk_count);
}

/* ---- rows in ---- */

/* Only the rows `indexes` of the arguments and group numbers. */
static void narrow_rows(struct arena *scratch, struct column **arguments, size_t argument_count, uint32_t **groups,
    const uint32_t *indexes, size_t count) {
    for (size_t i = 0; i < argument_count; i++) {
        arguments[i] = column_take(scratch, arguments[i], indexes, count);
    }
    if (*groups != NULL) {
        uint32_t *narrowed = arena_allocate(scratch, count * sizeof *narrowed);
        for (size_t i = 0; i < count; i++) {
            narrowed[i] = (*groups)[indexes[i]];
        }
        *groups = narrowed;
    }
}

/* DISTINCT: only rows whose arguments are new to their group, and not null. */
static size_t keep_new_values(struct aggregate_table *table, size_t index, struct arena *scratch,
    struct column **arguments, size_t argument_count, uint32_t **groups, size_t row_count) {
    struct column **keys = ARENA_ARRAY(scratch, struct column *, argument_count + 1);
    struct column *numbers = column_create(scratch, type_simple(TYPE_LONG), row_count);
    for (size_t i = 0; i < row_count && *groups != NULL; i++) {
        COLUMN_VALUES(numbers, int64_t)[i] = (*groups)[i];
    }
    keys[0] = numbers;
    for (size_t i = 0; i < argument_count; i++) {
        keys[i + 1] = arguments[i];
    }
    uint32_t *ids = arena_allocate(scratch, row_count * sizeof *ids);
    uint32_t *new_rows = arena_allocate(scratch, row_count * sizeof *new_rows);
    size_t count = groups_add(&table->seen[index], scratch, keys, argument_count + 1, row_count, ids, new_rows);
    narrow_rows(scratch, arguments, argument_count, groups, new_rows, count);
    return count;
}

static bool update_call(struct op_run *run, struct aggregate_table *table, size_t index, struct arena *scratch,
    struct column *const *outputs, uint32_t *groups, size_t row_count) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    const struct aggregate_slot *slot = &aggregate->calls[index];
    size_t count = slot->call.argument_count;
    struct column **arguments = ARENA_ARRAY(scratch, struct column *, count);
    for (size_t i = 0; i < count; i++) {
        arguments[i] = outputs[slot->first_argument + i];
    }
    if (slot->filter != SIZE_MAX) {
        uint32_t *indexes = arena_allocate(scratch, (row_count + 1) * sizeof *indexes);
        size_t selected = program_select(outputs[slot->filter], row_count, indexes);
        narrow_rows(scratch, arguments, count, &groups, indexes, selected);
        row_count = selected;
    }
    if (slot->distinct) {
        row_count = keep_new_values(table, index, scratch, arguments, count, &groups, row_count);
    }
    struct evaluation evaluation = {.arena = scratch,
        .row_count = row_count,
        .call = &slot->call,
        .settings = aggregate->base.settings,
        .error = run->error,
        .partition = (int32_t)run->partition,
        .first_row = run->first_row};
    struct aggregate_run aggregate_run = aggregate_table_run(slot, table, index, &evaluation);
    slot->entry->update(&aggregate_run, arguments, row_count, groups);
    return !evaluation.failed;
}

bool aggregate_table_add(struct op_run *run, struct aggregate_table *table, struct batch *in) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    if (table->holder == NULL) {
        aggregate_table_init(aggregate, table);
    }
    struct arena scratch = {0};
    struct column **outputs = ARENA_ARRAY(&scratch, struct column *, program_output_count(aggregate->program));
    bool done = op_run_columns(run, aggregate->program, in, &scratch, outputs);
    if (done) {
        uint32_t *groups = aggregate_table_groups(aggregate, table, &scratch, outputs, in->row_count);
        for (size_t i = 0; i < aggregate->call_count && done; i++) {
            done = update_call(run, table, i, &scratch, outputs, groups, in->row_count);
        }
    }
    arena_destroy(&scratch);
    return done;
}

void aggregate_table_merge(struct op_run *run, struct aggregate_table *into, struct aggregate_table *from) {
    const struct aggregate *aggregate = (const struct aggregate *)run->operator;
    struct arena scratch = {0};
    struct column **keys = ARENA_ARRAY(&scratch, struct column *, aggregate->key_count);
    for (size_t i = 0; i < aggregate->key_count; i++) {
        keys[i] = aggregate_table_key(&scratch, aggregate, from, i);
    }
    uint32_t *groups = aggregate_table_groups(aggregate, into, &scratch, keys, from->group_count);
    for (size_t i = 0; i < aggregate->call_count; i++) {
        const struct aggregate_slot *slot = &aggregate->calls[i];
        struct evaluation evaluation = {.arena = &scratch,
            .row_count = from->group_count,
            .call = &slot->call,
            .settings = aggregate->base.settings,
            .error = run->error};
        struct aggregate_run source = aggregate_table_run(slot, from, i, &evaluation);
        struct column *saved = slot->entry->save(&source);
        struct aggregate_run target = aggregate_table_run(slot, into, i, &evaluation);
        slot->entry->merge(&target, saved, groups);
    }
    arena_destroy(&scratch);
}

/* ---- creation ---- */

static bool prepare_call(struct compile *compile, struct aggregate_slot *slot,
    const struct expression_aggregate_call *call, const struct expression **expressions, size_t *count) {
    struct arena *arena = compile->arena;
    size_t argument_count = call->arguments.count;
    const struct type **types = ARENA_ARRAY(arena, const struct type *, argument_count);
    struct column **constants = ARENA_ARRAY(arena, struct column *, argument_count);
    slot->first_argument = *count;
    for (size_t i = 0; i < argument_count; i++) {
        const struct expression *argument = expression_strip(call->arguments.items[i]);
        types[i] = argument->type;
        if (expression_is_literal(argument)) {
            struct column *value = ARENA_NEW(arena, struct column);
            *value = *expression_literal_of(argument)->value;
            value->constant = true;
            constants[i] = value;
        }
        expressions[(*count)++] = call->arguments.items[i];
    }
    slot->filter = SIZE_MAX;
    if (call->filter != NULL) {
        slot->filter = *count;
        expressions[(*count)++] = call->filter;
    }
    slot->distinct = call->distinct;
    slot->call = (struct kernel_call){.result_type = call->base.type,
        .argument_types = types,
        .argument_count = argument_count,
        .constants = constants,
        .settings = compile->settings,
        .ansi = call->ansi,
        .try = strncmp(call->function->name, "try_", 4) == 0,
        .aggregate = call};
    slot->entry = aggregate_find(call->function->kernel, types, argument_count);
    if (slot->entry == NULL) {
        return raise_unsupported_feature_not_in_this_program(compile->error,
            arena_printf(compile->error->arena, "the aggregate function %s for these types", call->function->name), "");
    }
    return slot->entry->prepare == NULL || slot->entry->prepare(&slot->call, arena, compile->error);
}

bool aggregate_prepare(struct compile *compile, struct aggregate *aggregate, const struct relation_aggregate *node) {
    struct arena *arena = compile->arena;
    aggregate->key_count = node->groupings.count;
    aggregate->call_count = node->calls.count;
    aggregate->calls = ARENA_ARRAY(arena, struct aggregate_slot, node->calls.count);
    aggregate->key_types = ARENA_ARRAY(arena, const struct type *, node->groupings.count);
    size_t room = node->groupings.count, count = 0;
    for (size_t i = 0; i < node->calls.count; i++) {
        const struct expression *call = expression_strip(node->calls.items[i]);
        room += expression_aggregate_call_of(call)->arguments.count + 1;
    }
    const struct expression **expressions = ARENA_ARRAY(arena, const struct expression *, room);
    for (; count < node->groupings.count; count++) {
        expressions[count] = node->groupings.items[count];
        aggregate->key_types[count] = node->groupings.items[count]->type;
    }
    for (size_t i = 0; i < node->calls.count; i++) {
        const struct expression_aggregate_call *call =
            expression_aggregate_call_of(expression_strip(node->calls.items[i]));
        if (!prepare_call(compile, &aggregate->calls[i], call, expressions, &count)) {
            return false;
        }
        aggregate->base.single_worker = aggregate->base.single_worker || call->distinct ||
                                        (aggregate->calls[i].entry->flags & AGGREGATE_ORDERED) != 0;
    }
    aggregate->program =
        program_compile(arena, compile->settings, expressions, count, node->input->output_count, compile->error);
    return aggregate->program != NULL;
}
