/* vector.h: a growable array of one type on the heap. Usage:
 *     VECTOR(struct partition *) partitions = {0};
 *     VECTOR_PUSH(&partitions, partition);
 *     for (size_t i = 0; i < partitions.count; i++) use(partitions.items[i]);
 *     VECTOR_FREE(&partitions);
 * Memory exhaustion aborts. */
#ifndef BASE_VECTOR_H
#define BASE_VECTOR_H

#include <stddef.h>

#define VECTOR(type)                                                                                                   \
    struct {                                                                                                           \
        type *items;                                                                                                   \
        size_t count, capacity;                                                                                        \
    }
#define VECTOR_RESERVE(vector, more)                                                                                   \
    ((vector)->items =                                                                                                 \
            vector_grow((vector)->items, (vector)->count, (more), &(vector)->capacity, sizeof *(vector)->items))
#define VECTOR_PUSH(vector, item) (VECTOR_RESERVE(vector, 1), (vector)->items[(vector)->count++] = (item))
/* Room for one more, uninitialised; gives its address. */
#define VECTOR_ADD(vector) (VECTOR_RESERVE(vector, 1), &(vector)->items[(vector)->count++])
#define VECTOR_POP(vector) ((vector)->items[--(vector)->count])
#define VECTOR_REMOVE(vector, index) vector_remove((vector)->items, (index), &(vector)->count, sizeof *(vector)->items)
#define VECTOR_FREE(vector) vector_release((void **)&(vector)->items, &(vector)->count, &(vector)->capacity)

void *vector_grow(void *items, size_t count, size_t more, size_t *capacity, size_t item_size);
void vector_remove(void *items, size_t index, size_t *count, size_t item_size); /* keeps order */
void vector_release(void **items, size_t *count, size_t *capacity);

#endif
