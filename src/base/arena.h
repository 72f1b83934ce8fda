/* arena.h: memory that is given back all at once. One arena per request, batch, query. Not thread-safe; an arena has
 * one owner at a time.
 *
 * Blocks double from `first block` up to 1 MiB; larger requests get a block of their own. Everything is aligned to 16
 * bytes. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stdarg.h>
#include <stddef.h>
#include "base/bytes.h"

struct arena_block;

struct arena {
    struct arena_block *head; /* newest block */
    uint8_t *next, *end;      /* free range in head */
    size_t allocated_size;    /* bytes in all blocks, for accounting */
    struct arena_cleanup *cleanups;
};

/* A zero-initialised arena is ready for use. */
void arena_init(struct arena *arena);
/* Runs the cleanups (newest first) and frees all memory. */
void arena_destroy(struct arena *arena);
/* Like destroy, but keeps one block for the next use. */
void arena_reset(struct arena *arena);
/* Uninitialised memory, aligned to 16; never NULL (exhaustion aborts). size 0 gives a valid pointer. */
void *arena_allocate(struct arena *arena, size_t size);
void *arena_allocate_zeroed(struct arena *arena, size_t size);
/* count * size with overflow check; zeroed. */
void *arena_array(struct arena *arena, size_t count, size_t size);
struct bytes arena_copy(struct arena *arena, struct bytes view);
/* NUL-terminated copy. */
char *arena_text(struct arena *arena, struct bytes view);
char *arena_strdup(struct arena *arena, const char *text);
char *arena_printf(struct arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *arena, const char *format, va_list arguments);
/* Calls function(argument) when the arena is reset or destroyed: how counted objects (maps, files) tie to a batch or
 * request. */
void arena_on_destroy(struct arena *arena, void (*function)(void *argument), void *argument);

#define ARENA_NEW(arena, type) ((type *)arena_allocate_zeroed((arena), sizeof(type)))
#define ARENA_ARRAY(arena, type, count) ((type *)arena_array((arena), (count), sizeof(type)))

#endif
