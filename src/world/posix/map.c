/* map.c: mapped files whose unreadable pages are an answer, not a signal.
 *
 * Reading a mapped page that the file no longer has (it was truncated) or that the disk cannot give raises SIGBUS. The
 * handler looks the address up in the table of our maps; for one of them it puts a page of zeros there, marks the map
 * as failed and lets the read go on. The reader asks world_map_check after it has used the bytes. Any other SIGBUS gets
 * the default treatment.
 *
 * The table is read from a signal handler, so it is made of chunks that are linked once and never freed, with atomic
 * fields; a slot whose `size` is zero is free. */
#include "world/posix/posix.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

struct map_slot {
    _Atomic uintptr_t start;
    _Atomic size_t size;
    _Atomic bool failed;
    struct map_slot *next_free; /* under the lock */
};

enum { CHUNK_SLOT_COUNT = 256 };

struct map_chunk {
    struct map_slot slots[CHUNK_SLOT_COUNT];
    struct map_chunk *_Atomic next;
};

struct posix_map {
    struct world_map base;
    struct map_slot *slot;
    void *start;
    size_t size;
};

static struct map_chunk *_Atomic first_chunk;
static struct map_slot *free_slots;
static pthread_mutex_t slots_lock = PTHREAD_MUTEX_INITIALIZER;
static long page_size;

static struct map_slot *find_slot(uintptr_t address) {
    for (struct map_chunk *chunk = first_chunk; chunk != NULL; chunk = chunk->next) {
        for (size_t i = 0; i < CHUNK_SLOT_COUNT; i++) {
            struct map_slot *slot = &chunk->slots[i];
            uintptr_t start = slot->start;
            if (address >= start && address - start < slot->size)
                return slot;
        }
    }
    return NULL;
}

static void on_bus_error(int signal_number, siginfo_t *information, void *context) {
    uintptr_t address = (uintptr_t)information->si_addr;
    struct map_slot *slot = find_slot(address);
    void *page = (void *)(address & ~(uintptr_t)(page_size - 1));
    if (slot != NULL &&
        mmap(page, (size_t)page_size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page) {
        slot->failed = true;
        return;
    }
    signal(SIGBUS, SIG_DFL);
}

static void install_guard(void) {
    page_size = sysconf(_SC_PAGESIZE);
    struct sigaction action = {.sa_sigaction = on_bus_error, .sa_flags = SA_SIGINFO | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}

static struct map_slot *take_slot(void *start, size_t size) {
    pthread_mutex_lock(&slots_lock);
    if (free_slots == NULL) {
        struct map_chunk *chunk = world_allocate(sizeof *chunk);
        for (size_t i = 0; i < CHUNK_SLOT_COUNT; i++) {
            chunk->slots[i].next_free = free_slots;
            free_slots = &chunk->slots[i];
        }
        chunk->next = first_chunk;
        first_chunk = chunk;
    }
    struct map_slot *slot = free_slots;
    free_slots = slot->next_free;
    pthread_mutex_unlock(&slots_lock);
    slot->failed = false;
    slot->start = (uintptr_t)start;
    slot->size = size;
    return slot;
}

static void give_slot(struct map_slot *slot) {
    slot->size = 0;
    slot->start = 0;
    pthread_mutex_lock(&slots_lock);
    slot->next_free = free_slots;
    free_slots = slot;
    pthread_mutex_unlock(&slots_lock);
}

static struct world_map *map_file(struct world_file *base, int64_t offset, size_t size, struct error *error) {
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install_guard);
    struct posix_file *file = posix_file_of(base);
    struct posix_map *map = world_allocate(sizeof *map);
    map->base.world = base->world;
    map->base.view = bytes_make("", 0);
    if (size == 0) /* the system maps no empty range */
        return &map->base;
    void *start = mmap(NULL, size, PROT_READ, MAP_SHARED, file->descriptor, offset);
    if (start == MAP_FAILED) {
        error_system(error, errno, "cannot map %zu bytes at %lld of %s", size, (long long)offset, file->path);
        free(map);
        return NULL;
    }
    map->start = start;
    map->size = size;
    map->slot = take_slot(start, size);
    map->base.view = bytes_make(start, size);
    return &map->base;
}

static bool map_check(const struct world_map *base) {
    const struct posix_map *map = (const struct posix_map *)base;
    return map->slot == NULL || !map->slot->failed;
}

static void map_close(struct world_map *base) {
    struct posix_map *map = (struct posix_map *)base;
    if (map->slot != NULL) {
        give_slot(map->slot);
        munmap(map->start, map->size);
    }
    free(map);
}

void posix_map_operations(struct world_operations *operations) {
    operations->file_map = map_file;
    operations->map_check = map_check;
    operations->map_close = map_close;
}
