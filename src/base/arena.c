#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/assert.h"

enum { BLOCK_SIZE_FIRST = 4096, BLOCK_SIZE_MAX = 1 << 20, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *older;
    size_t size; /* usable bytes */
    _Alignas(ALIGNMENT) uint8_t data[];
};

struct arena_cleanup {
    struct arena_cleanup *older;
    void (*function)(void *argument);
    void *argument;
};

void arena_init(struct arena *arena) {
    *arena = (struct arena){0};
}

static void run_cleanups(struct arena *arena) {
    for (struct arena_cleanup *cleanup = arena->cleanups; cleanup != NULL; cleanup = cleanup->older)
        cleanup->function(cleanup->argument);
    arena->cleanups = NULL;
}

static void free_blocks(struct arena_block *block) {
    while (block != NULL) {
        struct arena_block *older = block->older;
        free(block);
        block = older;
    }
}

void arena_destroy(struct arena *arena) {
    run_cleanups(arena);
    free_blocks(arena->head);
    *arena = (struct arena){0};
}

void arena_reset(struct arena *arena) {
    run_cleanups(arena);
    if (arena->head == NULL)
        return;
    struct arena_block *kept = arena->head;
    if (kept->size > BLOCK_SIZE_MAX) {
        arena_destroy(arena);
        return;
    }
    free_blocks(kept->older);
    kept->older = NULL;
    arena->next = kept->data;
    arena->end = kept->data + kept->size;
    arena->allocated_size = kept->size;
}

static struct arena_block *add_block(struct arena *arena, size_t size) {
    ASSERT(size < SIZE_MAX / 2);
    struct arena_block *block = malloc(sizeof *block + size);
    ASSERT(block != NULL);
    block->size = size;
    arena->allocated_size += size;
    return block;
}

void *arena_allocate(struct arena *arena, size_t size) {
    ASSERT(size < SIZE_MAX / 2);
    size = (size + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if ((size_t)(arena->end - arena->next) >= size && arena->next != NULL) {
        void *memory = arena->next;
        arena->next += size;
        return memory;
    }
    size_t doubled = arena->head == NULL ? BLOCK_SIZE_FIRST : arena->allocated_size * 2;
    size_t block_size = doubled > BLOCK_SIZE_MAX ? BLOCK_SIZE_MAX : doubled;
    if (size > block_size / 4 && arena->head != NULL) { /* a block of its own, behind the head that is still in use */
        struct arena_block *own = add_block(arena, size);
        own->older = arena->head->older;
        arena->head->older = own;
        return own->data;
    }
    struct arena_block *block = add_block(arena, block_size < size ? size : block_size);
    block->older = arena->head;
    arena->head = block;
    arena->next = block->data + size;
    arena->end = block->data + block->size;
    return block->data;
}

void *arena_allocate_zeroed(struct arena *arena, size_t size) {
    return memset(arena_allocate(arena, size), 0, size);
}

void *arena_array(struct arena *arena, size_t count, size_t size) {
    size_t total;
    ASSERT(!__builtin_mul_overflow(count, size, &total));
    return arena_allocate_zeroed(arena, total);
}

struct bytes arena_copy(struct arena *arena, struct bytes view) {
    if (view.data == NULL)
        return BYTES_NULL;
    uint8_t *copy = arena_allocate(arena, view.size);
    if (view.size > 0)
        memcpy(copy, view.data, view.size);
    return bytes_make(copy, view.size);
}

char *arena_text(struct arena *arena, struct bytes view) {
    char *copy = arena_allocate(arena, view.size + 1);
    if (view.size > 0)
        memcpy(copy, view.data, view.size);
    copy[view.size] = 0;
    return copy;
}

char *arena_strdup(struct arena *arena, const char *text) {
    return arena_text(arena, bytes_from_text(text));
}

char *arena_vprintf(struct arena *arena, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int size = vsnprintf(NULL, 0, format, arguments);
    ASSERT(size >= 0);
    char *text = arena_allocate(arena, (size_t)size + 1);
    vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text;
}

char *arena_printf(struct arena *arena, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    char *text = arena_vprintf(arena, format, arguments);
    va_end(arguments);
    return text;
}

void arena_on_destroy(struct arena *arena, void (*function)(void *argument), void *argument) {
    struct arena_cleanup *cleanup = arena_allocate(arena, sizeof *cleanup);
    *cleanup = (struct arena_cleanup){arena->cleanups, function, argument};
    arena->cleanups = cleanup;
}
