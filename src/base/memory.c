#include "base/memory.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/mman.h>

#include "base/assert.h"

enum {
    OWN_MAP_SIZE = 32 << 20, /* from here on an allocation is a map of its own; the most that glibc takes */
    KEPT_SIZE = 1 << 30,     /* of freed memory at the end of a heap */
    GROWTH_SIZE = 1 << 20,   /* of a heap, in one step */
    WORTH_GIVING = 32 << 20,
    LARGE_PAGE = 2 << 20,
};

void memory_keep_freed(void) {
#if defined(__GLIBC__)
    mallopt(M_MMAP_THRESHOLD, OWN_MAP_SIZE);
    mallopt(M_TRIM_THRESHOLD, KEPT_SIZE);
    mallopt(M_TOP_PAD, GROWTH_SIZE);
#endif
}

void memory_give_back(size_t size) {
#if defined(__GLIBC__)
    if (size >= WORTH_GIVING) {
        malloc_trim(GROWTH_SIZE);
    }
#endif
}

static bool is_large(size_t size) {
    return size >= LARGE_PAGE;
}

static size_t rounded(size_t size) {
    return (size + LARGE_PAGE - 1) & ~(size_t)(LARGE_PAGE - 1);
}

void *memory_take_table(size_t size) {
    if (!is_large(size)) {
        void *memory = calloc(1, size > 0 ? size : 1);
        ASSERT(memory != NULL);
        return memory;
    }
    size_t wanted = rounded(size);
    uint8_t *map =
        mmap(NULL, wanted + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    ASSERT(map != MAP_FAILED);
    size_t before = (LARGE_PAGE - (uintptr_t)map % LARGE_PAGE) % LARGE_PAGE;
    if (before > 0) {
        munmap(map, before);
    }
    munmap(map + before + wanted, LARGE_PAGE - before);
#if defined(MADV_HUGEPAGE)
    (void)madvise(map + before, wanted, MADV_HUGEPAGE);
#endif
    return map + before;
}

void memory_free_table(void *memory, size_t size) {
    if (memory == NULL || !is_large(size)) {
        free(memory);
    } else {
        munmap(memory, rounded(size));
    }
}
