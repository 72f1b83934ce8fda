/* sim_internal.h: the parts of the simulated machine: scheduler (sim.c), disk (sim_disk.c, sim_path.c), network
 * (sim_network.c). */
#ifndef WORLD_SIM_SIM_INTERNAL_H
#define WORLD_SIM_SIM_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "world/sim/sim.h"
#include "world/world_internal.h"

enum { SIM_BLOCK_SIZE = 4096 };

struct sim_blocks { /* absent blocks are zeros */
    uint8_t **items;
    size_t count, capacity;
    int64_t size;
};

/* A write (data) or a change of the size (data NULL). */
struct sim_write {
    int64_t offset; /* or the new size */
    uint8_t *data;
    size_t size;
};

struct sim_inode {
    struct list_node node; /* in the world */
    uint64_t number;
    enum world_file_kind kind;
    int reference_count; /* names (both states), open files, maps */
    uint32_t mode;
    int64_t modified_ms, accessed_ms, changed_ms;
    struct map attributes; /* name -> struct buffer * */
    struct sim_blocks blocks, durable;
    VECTOR(struct sim_write) writes; /* since the last sync */
    struct list maps;
    struct world_file *locked_by;
    struct map entries, durable_entries; /* directories: name -> struct sim_inode * */
    struct sim_inode *copy;              /* during a crash */
};

/* A change of names whose directory was not synced. Removes (from, from_name) when it is `inode`, then sets (to,
 * to_name); either may be absent. */
struct sim_rename {
    struct sim_inode *inode, *from, *to;
    char *from_name, *to_name;
};

struct sim_post {
    world_function *function;
    void *argument;
};

struct sim_loop {
    struct world_loop base;
    struct list_node node;
    char name[16];
    VECTOR(struct sim_post) posts;
    size_t first_post;
    size_t object_count; /* timers, listeners, sockets: must be closed before the loop */
};

struct sim_timer {
    struct world_timer base;
    struct list_node node; /* in the world when it runs, else alone */
    struct sim_loop *loop;
    world_function *function;
    void *argument;
    int64_t due_ns, repeat_ns;
};

struct sim_task {
    world_function *function;
    void *argument;
    int64_t start_ns;
};

struct sim_pool {
    struct world_pool base;
    struct list_node node;
    VECTOR(struct sim_task) tasks;
    size_t first_task;
};

struct sim_world {
    struct world base;
    uint64_t random_state, boot_id;
    int64_t now_ns; /* monotonic */
    int64_t wall_offset_us;
    uint64_t fingerprint;
    struct sim_faults faults;
    struct sim_loop *current_loop;
    bool in_event;
    struct list loops, pools, timers;
    /* disk */
    struct list inodes;
    struct sim_inode *root;
    uint64_t last_inode;
    int64_t used_size;
    VECTOR(struct sim_rename) renames;
    uint64_t changes_left; /* 0: no end */
    bool disk_stopped;
    /* network */
    struct list listeners, sockets;
    uint16_t last_port;
};

static inline struct sim_world *sim_of(struct world *world) {
    ASSERT(world->is_simulated);
    return (struct sim_world *)world;
}
static inline struct sim_world *sim_of_const(const struct world *world) {
    return sim_of((struct world *)(uintptr_t)world);
}

uint64_t sim_random(struct sim_world *world);
/* 0 ≤ result < limit. */
uint64_t sim_random_below(struct sim_world *world, uint64_t limit);
bool sim_chance(struct sim_world *world, uint32_t ppm);
int64_t sim_wall_ms(const struct sim_world *world);
void sim_note(struct sim_world *world, uint64_t value); /* into the fingerprint */

/* What could run now, or when something will. */
struct sim_candidates {
    VECTOR(struct sim_candidate {
        void (*run)(struct sim_world * world, void *object);
        void *object;
        struct sim_loop *loop; /* NULL: on a pool */
    })
    ready;
    int64_t next_ns; /* earliest future event, INT64_MAX for none */
};
void sim_add_candidate(struct sim_candidates *candidates, struct sim_loop *loop,
    void (*run)(struct sim_world *world, void *object), void *object);
static inline void sim_add_future(struct sim_candidates *candidates, int64_t due_ns) {
    candidates->next_ns = due_ns < candidates->next_ns ? due_ns : candidates->next_ns;
}

/* sim_disk.c */
/* Counts a change of the disk; false when it has stopped. */
bool sim_may_change(struct sim_world *world, const char *path, struct error *error);
void sim_blocks_write(struct sim_blocks *blocks, const void *data, size_t size, int64_t offset);
void sim_blocks_read(const struct sim_blocks *blocks, void *out, size_t size, int64_t offset);
void sim_blocks_resize(struct sim_blocks *blocks, int64_t size);
void sim_blocks_free(struct sim_blocks *blocks);
struct sim_inode *sim_inode_create(struct sim_world *world, enum world_file_kind kind, uint32_t mode);
void sim_inode_release(struct sim_world *world, struct sim_inode *inode);
void sim_disk_start(struct sim_world *world);
void sim_disk_free(struct sim_world *world);
void sim_disk_survive(struct sim_world *from, struct sim_world *to, enum sim_crash_kind kind);
/* Everything not synced becomes durable. */
void sim_inode_sync(struct sim_inode *inode);
void sim_disk_operations(struct world_operations *operations);

/* sim_path.c */
struct sim_inode *sim_find(struct sim_world *world, const char *path, struct error *error);
/* The directory that holds the last name of the path. */
struct sim_inode *sim_find_parent(struct sim_world *world, const char *path, char name[256], struct error *error);
/* Changes the visible names and notes the change for a crash. */
void sim_change_names(struct sim_world *world, struct sim_inode *inode, struct sim_inode *from, const char *from_name,
    struct sim_inode *to, const char *to_name);
/* Makes noted changes durable: of one directory, or all (NULL). */
void sim_sync_names(struct sim_world *world, const struct sim_inode *directory);
void sim_apply_rename(struct sim_world *world, const struct sim_rename *change);
void sim_rename_free(struct sim_world *world, struct sim_rename *change);
void sim_path_operations(struct world_operations *operations);

/* sim_network.c */
void sim_network_candidates(struct sim_world *world, struct sim_candidates *candidates);
void sim_network_operations(struct world_operations *operations);

#endif
