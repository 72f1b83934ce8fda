/* memory.h: how this process takes memory from the system and gives it back. Fresh pages cost more than most of what is
 * done with them, so a server keeps what it has freed until a large piece of work is over. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Once, before threads are started. */
void memory_keep_freed(void);
/* Gives freed memory back to the system when `size` bytes of it are worth the time. Any thread. */
void memory_give_back(size_t size);
/* Zeroed memory that is looked at in no order: when it is large it lies in large pages, if the system has them, and
 * looking at it costs one miss, not several. Exhaustion aborts. memory_free_table wants the same size. */
void *memory_take_table(size_t size);
void memory_free_table(void *memory, size_t size);

#endif
