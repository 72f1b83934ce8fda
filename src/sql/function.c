/* Look-up in the function table: a hash map of names and aliases made at the first use. */
#include "sql/function.h"

#include <stdatomic.h>
#include "base/assert.h"

/* Open addressing with at least two places per name; filled once, then read by any thread. */
enum { INDEX_SIZE = 4096 };
static uint16_t index_of_names[INDEX_SIZE]; /* id + 1 */
static atomic_int index_state;              /* 0 empty, 1 being filled, 2 ready */

static uint32_t hash_name(struct bytes name) {
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t byte = name.data[i];
        hash = (hash ^ (byte >= 'A' && byte <= 'Z' ? byte + 32u : byte)) * 16777619u;
    }
    return hash % INDEX_SIZE;
}

static bool has_name(const struct function *function, struct bytes name) {
    if (bytes_equal_ignore_case(name, bytes_from_text(function->name)))
        return true;
    for (const char *const *alias = function->aliases; *alias != NULL; alias++)
        if (bytes_equal_ignore_case(name, bytes_from_text(*alias)))
            return true;
    return false;
}

static void insert(const char *name, int id) {
    uint32_t place = hash_name(bytes_from_text(name));
    while (index_of_names[place] != 0)
        place = (place + 1) % INDEX_SIZE;
    index_of_names[place] = (uint16_t)(id + 1);
}

static void fill_index(void) {
    int expected = 0;
    if (!atomic_compare_exchange_strong(&index_state, &expected, 1)) {
        while (atomic_load(&index_state) != 2)
            ;
        return;
    }
    for (int id = 0; id < FUNCTION_COUNT_OF_ALL; id++) {
        insert(function_table[id].name, id);
        for (const char *const *alias = function_table[id].aliases; *alias != NULL; alias++)
            insert(*alias, id);
    }
    atomic_store(&index_state, 2);
}

const struct function *function_find(struct bytes name) {
    if (atomic_load(&index_state) != 2)
        fill_index();
    for (uint32_t place = hash_name(name); index_of_names[place] != 0; place = (place + 1) % INDEX_SIZE) {
        const struct function *function = &function_table[index_of_names[place] - 1];
        if (has_name(function, name))
            return function;
    }
    return NULL;
}
