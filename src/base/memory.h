/* memory.h: how this process takes memory from the system and gives it back. Fresh pages cost more than most of what is
 * done with them, so a server keeps what it has freed until a large piece of work is over. */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* Once, before threads are started. */
void memory_keep_freed(void);
/* Gives freed memory back to the system when `size` bytes of it are worth the time. Any thread. */
void memory_give_back(size_t size);
/* A hint: this memory, when it is large, is looked at in no order, and had better lie in large pages. */
void memory_use_large_pages(void *memory, size_t size);

#endif
