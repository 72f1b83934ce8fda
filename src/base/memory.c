#include "base/memory.h"

#include <stdint.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <sys/mman.h>

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

void memory_use_large_pages(void *memory, size_t size) {
#if defined(MADV_HUGEPAGE)
    uintptr_t start = ((uintptr_t)memory + LARGE_PAGE - 1) & ~(uintptr_t)(LARGE_PAGE - 1),
              end = ((uintptr_t)memory + size) & ~(uintptr_t)(LARGE_PAGE - 1);
    if (end > start && end - start >= LARGE_PAGE) {
        (void)madvise((void *)start, end - start, MADV_HUGEPAGE);
    }
#endif
}
