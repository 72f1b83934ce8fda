/* sim.h: a simulated machine: one thread, one seed. Everything made with a simulated world runs in the calling thread
 * when it is stepped; the seed decides the order of what could run at the same time, the delays and the faults, so a
 * failure is a number that anyone can replay.
 *
 * Time is virtual: it jumps to the next event when nothing can run; each event takes a microsecond. Disk calls are
 * immediate. Use from one thread only.
 *
 * The disk keeps two states: what the program sees, and what would survive a power cut. world_file_sync makes a file's
 * bytes survive, world_sync_directory the creations, removals and renames in that directory. Modes, times and
 * attributes survive at once. */
#ifndef WORLD_SIM_SIM_H
#define WORLD_SIM_SIM_H

#include "world/world.h"

/* ---- stepping ---- */

/* Runs one event, moving time forward when necessary. false when nothing will ever happen (no post, task, timer or
 * delivery). */
bool sim_step(struct world *world);
/* Steps until condition(argument); false when limit_ms of virtual time passed or nothing is left to run. */
bool sim_run_until(struct world *world, bool (*condition)(void *argument), void *argument, int64_t limit_ms);
/* Steps through this much virtual time. */
void sim_run_for(struct world *world, int64_t duration_ms);
/* Steps until nothing can run without time moving. */
void sim_settle(struct world *world);
/* A number that depends on everything that happened so far: equal for two runs that took the same way. */
uint64_t sim_fingerprint(const struct world *world);

/* ---- faults: rates in events per million, 0 (the default) never; change them at any time ---- */

struct sim_faults {
    uint32_t read_error_ppm;   /* world_file_read fails with ERROR_IO; a map fails its check */
    uint32_t write_error_ppm;  /* world_file_write fails with ERROR_IO after a part of the bytes */
    uint32_t sync_error_ppm;   /* world_file_sync fails with ERROR_IO; nothing became durable */
    uint32_t no_space_ppm;     /* a write or creation fails with ERROR_NO_SPACE */
    int64_t disk_size;         /* bytes the disk holds; 0: 1 TiB */
    int64_t pool_delay_us_max; /* a task starts after up to this long; default 2000 */
    int64_t network_delay_us_min, network_delay_us_max; /* of each segment; default 20 to 300 */
    uint32_t reset_ppm;                                 /* a segment is lost and both ends see a reset */
    uint32_t refuse_ppm;                                /* a connect is refused */
    bool ordered_metadata; /* true: syncing any file or directory makes all earlier creations, removals and renames
                            * durable, as journaling file systems do in practice; false (the default): only a sync of
                            * their directory does */
};
struct sim_faults *sim_faults(struct world *world);

/* ---- crashes ---- */

enum sim_crash_kind {
    SIM_CRASH_PROCESS, /* kill -9: what was written is there */
    SIM_CRASH_POWER,   /* each write since the last sync of its file is dropped, torn or kept, by the seed; of the
                        * creations, removals and renames   whose directory was not synced a prefix survives */
};

/* The machine after a crash: a new world with the disk as it survived, the same clock, and no process. The old world
 * goes on with its own disk and no longer matters: stop what runs in it (so that memory is freed) and destroy it.
 * Faults are copied. */
struct world *sim_crash(struct world *world, enum sim_crash_kind kind, uint64_t seed);

/* After so many more changes of the disk (writes, creations, removals, renames) every further one fails: a crash then
 * happens at exactly that point, also in the middle of an event. 0: never. */
void sim_stop_disk_after(struct world *world, uint64_t change_count);
bool sim_disk_has_stopped(const struct world *world);
void sim_repair_disk(struct world *world); /* it takes changes again */
/* Someone sets the clock: wall time moves by so much, forward or back; monotonic time does not. */
void sim_jump_wall_clock(struct world *world, int64_t by_ms);

/* ---- damage, for recovery tests ---- */

/* Flips one bit of a file, in what the program sees and in what survives. */
void sim_flip_bit(struct world *world, const char *path, int64_t offset, int bit);
/* Bytes written and not yet synced, of all files. */
int64_t sim_unsynced_size(struct world *world);

#endif
