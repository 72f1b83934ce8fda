#include "base/vector.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/assert.h"

void *vector_grow(void *items, size_t count, size_t more, size_t *capacity, size_t item_size) {
    size_t needed = count + more;
    if (needed <= *capacity)
        return items;
    size_t larger = *capacity == 0 ? 8 : *capacity * 2;
    larger = larger < needed ? needed : larger;
    ASSERT(larger <= SIZE_MAX / 2 / item_size);
    items = realloc(items, larger * item_size);
    ASSERT(items != NULL);
    *capacity = larger;
    return items;
}

void vector_remove(void *items, size_t index, size_t *count, size_t item_size) {
    ASSERT(index < *count);
    uint8_t *place = (uint8_t *)items + index * item_size;
    memmove(place, place + item_size, (*count - index - 1) * item_size);
    (*count)--;
}

void vector_release(void **items, size_t *count, size_t *capacity) {
    free(*items);
    *items = NULL;
    *count = *capacity = 0;
}
