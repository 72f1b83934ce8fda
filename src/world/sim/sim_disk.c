/* sim_disk.c: files of the simulated disk and what a crash leaves of them.
 *
 * A file has the bytes that the program sees, the bytes that would survive, and the list of writes between the two. A
 * sync applies the list; a power cut applies each of its writes whole, in part (torn at a multiple of 512 bytes), or
 * not at all, as the seed says: disks and page caches keep no order between writes, except within one sector. */
#include "world/sim/sim_internal.h"

#include <stdio.h>

enum { SECTOR_SIZE = 512 };
#define DISK_SIZE_DEFAULT ((int64_t)1 << 40)

struct sim_file {
    struct world_file base;
    struct sim_inode *inode;
    bool can_write;
    char path[];
};

struct sim_map {
    struct world_map base;
    struct list_node node; /* in the inode */
    struct sim_inode *inode;
    int64_t offset;
    uint8_t *memory;
    size_t size;
    bool failed;
};

static struct sim_file *file_of(struct world_file *file) {
    return (struct sim_file *)file;
}

/* ---- blocks ---- */

void sim_blocks_write(struct sim_blocks *blocks, const void *data, size_t size, int64_t offset) {
    const uint8_t *from = data;
    if (offset + (int64_t)size > blocks->size)
        sim_blocks_resize(blocks, offset + (int64_t)size);
    while (size > 0) {
        size_t block = (size_t)offset / SIM_BLOCK_SIZE, at = (size_t)offset % SIM_BLOCK_SIZE;
        size_t part = SIM_BLOCK_SIZE - at < size ? SIM_BLOCK_SIZE - at : size;
        if (blocks->items[block] == NULL)
            blocks->items[block] = world_allocate(SIM_BLOCK_SIZE);
        memcpy(blocks->items[block] + at, from, part);
        from += part;
        offset += (int64_t)part;
        size -= part;
    }
}

void sim_blocks_read(const struct sim_blocks *blocks, void *out, size_t size, int64_t offset) {
    uint8_t *to = out;
    while (size > 0) {
        size_t block = (size_t)offset / SIM_BLOCK_SIZE, at = (size_t)offset % SIM_BLOCK_SIZE;
        size_t part = SIM_BLOCK_SIZE - at < size ? SIM_BLOCK_SIZE - at : size;
        if (block < blocks->count && blocks->items[block] != NULL)
            memcpy(to, blocks->items[block] + at, part);
        else
            memset(to, 0, part);
        to += part;
        offset += (int64_t)part;
        size -= part;
    }
}

void sim_blocks_resize(struct sim_blocks *blocks, int64_t size) {
    size_t count = (size_t)((size + SIM_BLOCK_SIZE - 1) / SIM_BLOCK_SIZE);
    for (size_t i = count; i < blocks->count; i++)
        free(blocks->items[i]);
    if (count > blocks->count) {
        VECTOR_RESERVE(blocks, count - blocks->count);
        memset(blocks->items + blocks->count, 0, (count - blocks->count) * sizeof blocks->items[0]);
    }
    blocks->count = count;
    /* What is cut off reads as zeros when the file grows again. */
    size_t tail = (size_t)size % SIM_BLOCK_SIZE;
    if (size < blocks->size && tail > 0 && blocks->items[count - 1] != NULL)
        memset(blocks->items[count - 1] + tail, 0, SIM_BLOCK_SIZE - tail);
    blocks->size = size;
}

void sim_blocks_free(struct sim_blocks *blocks) {
    for (size_t i = 0; i < blocks->count; i++)
        free(blocks->items[i]);
    VECTOR_FREE(blocks);
    blocks->size = 0;
}

static void blocks_copy(struct sim_blocks *to, const struct sim_blocks *from) {
    sim_blocks_resize(to, from->size);
    for (size_t i = 0; i < from->count; i++) {
        if (from->items[i] == NULL)
            continue;
        to->items[i] = world_allocate(SIM_BLOCK_SIZE);
        memcpy(to->items[i], from->items[i], SIM_BLOCK_SIZE);
    }
}

static int64_t blocks_used(const struct sim_blocks *blocks) {
    int64_t used = 0;
    for (size_t i = 0; i < blocks->count; i++)
        used += blocks->items[i] != NULL ? SIM_BLOCK_SIZE : 0;
    return used;
}

/* ---- inodes ---- */

struct sim_inode *sim_inode_create(struct sim_world *world, enum world_file_kind kind, uint32_t mode) {
    struct sim_inode *inode = world_allocate(sizeof *inode);
    inode->number = ++world->last_inode;
    inode->kind = kind;
    inode->mode = mode;
    inode->modified_ms = inode->accessed_ms = inode->changed_ms = sim_wall_ms(world);
    list_init(&inode->maps);
    list_append(&world->inodes, &inode->node);
    return inode;
}

static void drop_writes(struct sim_inode *inode) {
    for (size_t i = 0; i < inode->writes.count; i++)
        free(inode->writes.items[i].data);
    VECTOR_FREE(&inode->writes);
}

static void inode_free(struct sim_world *world, struct sim_inode *inode) {
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&inode->attributes, &cursor)) != NULL;) {
        buffer_free(entry->value);
        free(entry->value);
    }
    map_free(&inode->attributes);
    map_free(&inode->entries);
    map_free(&inode->durable_entries);
    world->used_size -= blocks_used(&inode->blocks);
    sim_blocks_free(&inode->blocks);
    sim_blocks_free(&inode->durable);
    drop_writes(inode);
    list_remove(&inode->node);
    free(inode);
}

void sim_inode_release(struct sim_world *world, struct sim_inode *inode) {
    ASSERT(inode->reference_count > 0);
    if (--inode->reference_count == 0)
        inode_free(world, inode);
}

static void apply_write(struct sim_blocks *blocks, const struct sim_write *write, size_t size) {
    if (write->data == NULL)
        sim_blocks_resize(blocks, write->offset);
    else
        sim_blocks_write(blocks, write->data, size, write->offset);
}

void sim_inode_sync(struct sim_inode *inode) {
    for (size_t i = 0; i < inode->writes.count; i++)
        apply_write(&inode->durable, &inode->writes.items[i], inode->writes.items[i].size);
    drop_writes(inode);
}

int64_t sim_unsynced_size(struct world *base) {
    int64_t size = 0;
    LIST_FOR_EACH(node, &sim_of(base)->inodes) {
        struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
        for (size_t i = 0; i < inode->writes.count; i++)
            size += (int64_t)inode->writes.items[i].size;
    }
    return size;
}

bool sim_may_change(struct sim_world *world, const char *path, struct error *error) {
    if (world->changes_left > 0 && --world->changes_left == 0)
        world->disk_stopped = true;
    return !world->disk_stopped || error_set(error, ERROR_IO, "%s: the disk has stopped", path);
}

void sim_stop_disk_after(struct world *world, uint64_t change_count) {
    sim_of(world)->changes_left = change_count;
}

void sim_repair_disk(struct world *world) {
    sim_of(world)->changes_left = 0;
    sim_of(world)->disk_stopped = false;
}

bool sim_disk_has_stopped(const struct world *world) {
    return sim_of_const(world)->disk_stopped;
}

/* ---- start, end, crash ---- */

void sim_disk_start(struct sim_world *world) {
    world->root = sim_inode_create(world, WORLD_FILE_DIRECTORY, 0755);
    world->root->reference_count = 1;
}

void sim_disk_free(struct sim_world *world) {
    for (size_t i = 0; i < world->renames.count; i++)
        sim_rename_free(world, &world->renames.items[i]);
    VECTOR_FREE(&world->renames);
    while (!list_empty(&world->inodes))
        inode_free(world, CONTAINER_OF(list_first(&world->inodes), struct sim_inode, node));
}

/* How many of a write's bytes reach the disk by themselves: all, none, or up to where a sector of the file ends. */
static size_t surviving_size(struct sim_world *to, const struct sim_write *write) {
    uint64_t fate = sim_random_below(to, 4);
    if (fate != 1 || write->size == 0)
        return fate == 0 ? 0 : write->size;
    size_t start = (size_t)write->offset % SECTOR_SIZE, sectors = (start + write->size) / SECTOR_SIZE;
    size_t kept = sectors == 0 ? 0 : (size_t)sim_random_below(to, sectors + 1) * SECTOR_SIZE;
    return kept <= start ? 0 : kept - start < write->size ? kept - start : write->size;
}

/* The bytes that are there after the crash. A sector goes to the disk as it stands in the page cache: when a write to
 * it survives, so does every earlier one. */
static void survive_bytes(
    struct sim_world *to, struct sim_inode *copy, const struct sim_inode *inode, enum sim_crash_kind kind) {
    if (kind == SIM_CRASH_PROCESS) {
        blocks_copy(&copy->blocks, &inode->blocks);
        return;
    }
    blocks_copy(&copy->blocks, &inode->durable);
    int64_t end = 0;
    for (size_t i = 0; i < inode->writes.count; i++)
        if (inode->writes.items[i].offset + (int64_t)inode->writes.items[i].size > end)
            end = inode->writes.items[i].offset + (int64_t)inode->writes.items[i].size;
    size_t *last = world_allocate(((size_t)end / SECTOR_SIZE + 1) * sizeof *last); /* by sector: writes that survive */
    for (size_t i = 0; i < inode->writes.count; i++) {
        const struct sim_write *write = &inode->writes.items[i];
        size_t size = write->data == NULL ? 0 : surviving_size(to, write);
        for (int64_t at = write->offset; at < write->offset + (int64_t)size;
             at = at / SECTOR_SIZE * SECTOR_SIZE + SECTOR_SIZE)
            last[at / SECTOR_SIZE] = i + 1;
    }
    for (size_t i = 0; i < inode->writes.count; i++) {
        const struct sim_write *write = &inode->writes.items[i];
        if (write->data == NULL && sim_random_below(to, 4) != 0)
            sim_blocks_resize(&copy->blocks, write->offset);
        for (size_t done = 0, part; write->data != NULL && done < write->size; done += part) {
            int64_t at = write->offset + (int64_t)done;
            part = SECTOR_SIZE - (size_t)(at % SECTOR_SIZE);
            part = part < write->size - done ? part : write->size - done;
            if (i < last[at / SECTOR_SIZE])
                sim_blocks_write(&copy->blocks, write->data + done, part, at);
        }
    }
    free(last);
}

static void copy_inode(struct sim_world *to, struct sim_inode *inode, enum sim_crash_kind kind) {
    struct sim_inode *copy = sim_inode_create(to, inode->kind, inode->mode);
    inode->copy = copy;
    copy->number = inode->number;
    copy->modified_ms = inode->modified_ms;
    copy->accessed_ms = inode->accessed_ms;
    copy->changed_ms = inode->changed_ms;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(&inode->attributes, &cursor)) != NULL;) {
        struct buffer *value = world_allocate(sizeof *value);
        buffer_append_bytes(value, buffer_view(entry->value));
        map_set(&copy->attributes, entry->key, value);
    }
    survive_bytes(to, copy, inode, kind);
    blocks_copy(&copy->durable, &copy->blocks);
    to->used_size += blocks_used(&copy->blocks);
}

static void copy_entries(struct sim_inode *inode, enum sim_crash_kind kind) {
    const struct map *names = kind == SIM_CRASH_PROCESS ? &inode->entries : &inode->durable_entries;
    size_t cursor = 0;
    for (struct map_entry *entry; (entry = map_next(names, &cursor)) != NULL;) {
        struct sim_inode *copy = ((struct sim_inode *)entry->value)->copy;
        map_set(&inode->copy->entries, entry->key, copy);
        map_set(&inode->copy->durable_entries, entry->key, copy);
        copy->reference_count += 2;
    }
}

/* Removes what no name leads to (directories whose own creation did not survive keep their children alive: repeat until
 * nothing changes). */
static void remove_unreachable(struct sim_world *world) {
    for (bool removed = true; removed;) {
        removed = false;
        LIST_FOR_EACH(node, &world->inodes) {
            struct sim_inode *inode = CONTAINER_OF(node, struct sim_inode, node);
            if (inode->reference_count > 0)
                continue;
            size_t cursor = 0;
            for (struct map_entry *entry; (entry = map_next(&inode->entries, &cursor)) != NULL;)
                ((struct sim_inode *)entry->value)->reference_count -= 2;
            inode_free(world, inode);
            removed = true;
            break;
        }
    }
}

void sim_disk_survive(struct sim_world *from, struct sim_world *to, enum sim_crash_kind kind) {
    if (kind == SIM_CRASH_POWER) {
        /* A prefix of the changes of names survives. */
        size_t kept = (size_t)sim_random_below(to, from->renames.count + 1);
        for (size_t i = 0; i < kept; i++)
            sim_apply_rename(from, &from->renames.items[i]);
        for (size_t i = 0; i < from->renames.count; i++)
            sim_rename_free(from, &from->renames.items[i]);
        VECTOR_FREE(&from->renames);
    }
    inode_free(to, to->root);
    LIST_FOR_EACH(node, &from->inodes)
    copy_inode(to, CONTAINER_OF(node, struct sim_inode, node), kind);
    to->last_inode = from->last_inode;
    to->root = from->root->copy;
    to->root->reference_count = 1;
    LIST_FOR_EACH(node, &from->inodes)
    copy_entries(CONTAINER_OF(node, struct sim_inode, node), kind);
    remove_unreachable(to);
}

/* ---- files ---- */

static struct world_file *file_open(
    struct world *base, const char *path, int flags, uint32_t mode, struct error *error) {
    struct sim_world *world = sim_of(base);
    struct error failure = {0};
    struct sim_inode *inode = sim_find(world, path, &failure);
    bool creates = (flags & WORLD_OPEN_CREATE) != 0;
    if (inode == NULL && (!creates || failure.code != ERROR_NOT_FOUND)) {
        if (error != NULL)
            *error = failure;
        return NULL;
    }
    if (inode != NULL && creates && (flags & WORLD_OPEN_EXCLUSIVE)) {
        error_set(error, ERROR_EXISTS, "%s: File exists", path);
        return NULL;
    }
    if (inode != NULL && inode->kind == WORLD_FILE_DIRECTORY) {
        error_set(error, ERROR_IS_DIRECTORY, "%s: Is a directory", path);
        return NULL;
    }
    if (inode == NULL) {
        char name[256];
        struct sim_inode *parent = sim_find_parent(world, path, name, error);
        if (parent == NULL)
            return NULL;
        if (!sim_may_change(world, path, error))
            return NULL;
        if (sim_chance(world, world->faults.no_space_ppm)) {
            error_set(error, ERROR_NO_SPACE, "%s: No space left on device", path);
            return NULL;
        }
        inode = sim_inode_create(world, WORLD_FILE_REGULAR, mode);
        sim_change_names(world, inode, NULL, NULL, parent, name);
    }
    size_t path_size = strlen(path) + 1;
    struct sim_file *file = world_allocate(sizeof *file + path_size);
    file->base.world = base;
    file->inode = inode;
    file->can_write = (flags & WORLD_OPEN_WRITE) != 0;
    memcpy(file->path, path, path_size);
    inode->reference_count++;
    if (flags & WORLD_OPEN_TRUNCATE)
        world_file_truncate(&file->base, 0, NULL);
    return &file->base;
}

static void file_close(struct world_file *base) {
    struct sim_file *file = file_of(base);
    if (file->inode->locked_by == base)
        file->inode->locked_by = NULL;
    sim_inode_release(sim_of(base->world), file->inode);
    free(file);
}

static ssize_t file_read(struct world_file *base, void *out, size_t size, int64_t offset, struct error *error) {
    struct sim_file *file = file_of(base);
    struct sim_world *world = sim_of(base->world);
    if (sim_chance(world, world->faults.read_error_ppm)) {
        error_set(error, ERROR_IO, "cannot read %zu bytes at %lld of %s: Input/output error", size, (long long)offset,
            file->path);
        return -1;
    }
    int64_t left = file->inode->blocks.size - offset;
    if (left <= 0)
        return 0;
    size = (int64_t)size < left ? size : (size_t)left;
    sim_blocks_read(&file->inode->blocks, out, size, offset);
    return (ssize_t)size;
}

static void update_maps(struct sim_inode *inode, const void *data, size_t size, int64_t offset) {
    LIST_FOR_EACH(node, &inode->maps) {
        struct sim_map *map = CONTAINER_OF(node, struct sim_map, node);
        int64_t start = offset > map->offset ? offset : map->offset;
        int64_t end = offset + (int64_t)size, map_end = map->offset + (int64_t)map->size;
        end = end < map_end ? end : map_end;
        if (start < end)
            memcpy(
                map->memory + (start - map->offset), (const uint8_t *)data + (start - offset), (size_t)(end - start));
    }
}

/* Writes to what the program sees and notes it for a crash. */
static bool write_bytes(struct sim_world *world, struct sim_file *file, const void *data, size_t size, int64_t offset,
    struct error *error) {
    struct sim_inode *inode = file->inode;
    if (!sim_may_change(world, file->path, error))
        return false;
    int64_t disk_size = world->faults.disk_size == 0 ? DISK_SIZE_DEFAULT : world->faults.disk_size;
    if (world->used_size + (int64_t)size > disk_size || sim_chance(world, world->faults.no_space_ppm))
        return error_set(error, ERROR_NO_SPACE, "cannot write %zu bytes at %lld of %s: No space left on device", size,
            (long long)offset, file->path);
    world->used_size -= blocks_used(&inode->blocks);
    sim_blocks_write(&inode->blocks, data, size, offset);
    world->used_size += blocks_used(&inode->blocks);
    update_maps(inode, data, size, offset);
    struct sim_write write = {.offset = offset, .size = size, .data = world_allocate(size)};
    memcpy(write.data, data, size);
    VECTOR_PUSH(&inode->writes, write);
    inode->modified_ms = inode->changed_ms = sim_wall_ms(world);
    return true;
}

static bool file_write(struct world_file *base, const void *data, size_t size, int64_t offset, struct error *error) {
    struct sim_file *file = file_of(base);
    struct sim_world *world = sim_of(base->world);
    if (!file->can_write)
        return error_set(error, ERROR_DENIED, "cannot write %s: it was opened for reading", file->path);
    if (size == 0)
        return true;
    if (sim_chance(world, world->faults.write_error_ppm)) {
        size_t part = (size_t)sim_random_below(world, size);
        if (part > 0)
            write_bytes(world, file, data, part, offset, NULL);
        return error_set(error, ERROR_IO, "cannot write %zu bytes at %lld of %s: Input/output error", size,
            (long long)offset, file->path);
    }
    return write_bytes(world, file, data, size, offset, error);
}

static bool file_sync(struct world_file *base, struct error *error) {
    struct sim_file *file = file_of(base);
    struct sim_world *world = sim_of(base->world);
    if (world->disk_stopped)
        return error_set(error, ERROR_IO, "cannot sync %s: the disk has stopped", file->path);
    if (sim_chance(world, world->faults.sync_error_ppm))
        return error_set(error, ERROR_IO, "cannot sync %s: Input/output error", file->path);
    sim_inode_sync(file->inode);
    if (world->faults.ordered_metadata)
        sim_sync_names(world, NULL);
    return true;
}

static bool file_truncate(struct world_file *base, int64_t size, struct error *error) {
    struct sim_file *file = file_of(base);
    struct sim_world *world = sim_of(base->world);
    if (!file->can_write)
        return error_set(error, ERROR_DENIED, "cannot set the size of %s: it was opened for reading", file->path);
    struct sim_inode *inode = file->inode;
    if (size == inode->blocks.size)
        return true;
    if (!sim_may_change(world, file->path, error))
        return false;
    world->used_size -= blocks_used(&inode->blocks);
    sim_blocks_resize(&inode->blocks, size);
    world->used_size += blocks_used(&inode->blocks);
    VECTOR_PUSH(&inode->writes, ((struct sim_write){.offset = size}));
    LIST_FOR_EACH(node, &inode->maps) {
        struct sim_map *map = CONTAINER_OF(node, struct sim_map, node);
        int64_t kept = size - map->offset;
        kept = kept < 0 ? 0 : kept;
        if (kept < (int64_t)map->size)
            memset(map->memory + kept, 0, map->size - (size_t)kept);
    }
    inode->modified_ms = inode->changed_ms = sim_wall_ms(world);
    return true;
}

static int64_t file_size(struct world_file *base, struct error *error) {
    return file_of(base)->inode->blocks.size;
}

static struct world_map *file_map(struct world_file *base, int64_t offset, size_t size, struct error *error) {
    struct sim_file *file = file_of(base);
    struct sim_world *world = sim_of(base->world);
    struct sim_map *map = world_allocate(sizeof *map);
    map->base.world = base->world;
    map->inode = file->inode;
    map->offset = offset;
    map->size = size;
    map->memory = world_allocate(size + 1); /* not the file's blocks: a mapped range is contiguous */
    map->failed = sim_chance(world, world->faults.read_error_ppm);
    map->base.view = bytes_make(map->memory, size);
    /* Only the blocks that are there: a preallocated index costs nothing. */
    for (size_t at = 0; at < size; at += SIM_BLOCK_SIZE) {
        size_t block = ((size_t)offset + at) / SIM_BLOCK_SIZE;
        if (block < file->inode->blocks.count && file->inode->blocks.items[block] != NULL)
            memcpy(map->memory + at, file->inode->blocks.items[block],
                size - at < SIM_BLOCK_SIZE ? size - at : SIM_BLOCK_SIZE);
    }
    list_append(&file->inode->maps, &map->node);
    file->inode->reference_count++;
    return &map->base;
}

static bool map_check(const struct world_map *base) {
    return !((const struct sim_map *)base)->failed;
}

static void map_close(struct world_map *base) {
    struct sim_map *map = (struct sim_map *)base;
    list_remove(&map->node);
    sim_inode_release(sim_of(base->world), map->inode);
    free(map->memory);
    free(map);
}

static bool file_lock(struct world_file *base, struct error *error) {
    struct sim_file *file = file_of(base);
    if (file->inode->locked_by != NULL && file->inode->locked_by != base)
        return error_set(error, ERROR_BUSY, "%s is locked by another process", file->path);
    file->inode->locked_by = base;
    return true;
}

static int file_descriptor(struct world_file *base, struct error *error) {
    error_set(error, ERROR_UNSUPPORTED, "%s is in a simulated world", file_of(base)->path);
    return -1;
}

static bool disk_space(
    struct world *base, const char *path, int64_t *total_size, int64_t *free_size, struct error *error) {
    struct sim_world *world = sim_of(base);
    if (sim_find(world, path, error) == NULL)
        return false;
    *total_size = world->faults.disk_size == 0 ? DISK_SIZE_DEFAULT : world->faults.disk_size;
    *free_size = *total_size - world->used_size;
    return true;
}

void sim_flip_bit(struct world *base, const char *path, int64_t offset, int bit) {
    struct sim_inode *inode = sim_find(sim_of(base), path, NULL);
    ASSERT(inode != NULL && offset >= 0 && offset < inode->blocks.size && bit >= 0 && bit < 8);
    uint8_t byte;
    sim_blocks_read(&inode->blocks, &byte, 1, offset);
    byte = (uint8_t)(byte ^ (1 << bit));
    sim_blocks_write(&inode->blocks, &byte, 1, offset);
    update_maps(inode, &byte, 1, offset);
    sim_inode_sync(inode);
    sim_blocks_write(&inode->durable, &byte, 1, offset);
}

void sim_disk_operations(struct world_operations *operations) {
    operations->file_open = file_open;
    operations->file_close = file_close;
    operations->file_read = file_read;
    operations->file_write = file_write;
    operations->file_sync = file_sync;
    operations->file_truncate = file_truncate;
    operations->file_size = file_size;
    operations->file_map = file_map;
    operations->map_check = map_check;
    operations->map_close = map_close;
    operations->file_lock = file_lock;
    operations->file_descriptor = file_descriptor;
    operations->disk_space = disk_space;
}
