/* sim.c: the scheduler of the simulated machine: clock, randomness, loops, timers, pools.
 *
 * A step collects what could run now: the first post of each loop, the timers that are due, the tasks a pool's threads
 * could start, what the network has for a watched socket. One of them, chosen by the seed, runs to its end and takes a
 * microsecond. When there is none, time moves to the next event. */
#include "world/sim/sim_internal.h"

#include <stdio.h>

enum {
    START_WALL_S = 1767225600, /* 2026-01-01T00:00:00Z */
    EVENT_NS = 1000,           /* what an event takes: code that polls sees time pass */
};

/* ---- randomness: splitmix64 ---- */

uint64_t sim_random(struct sim_world *world) {
    uint64_t value = world->random_state += 0x9e3779b97f4a7c15;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

uint64_t sim_random_below(struct sim_world *world, uint64_t limit) {
    ASSERT(limit > 0);
    return sim_random(world) % limit;
}

bool sim_chance(struct sim_world *world, uint32_t ppm) {
    return ppm > 0 && sim_random_below(world, 1000000) < ppm;
}

void sim_note(struct sim_world *world, uint64_t value) {
    world->fingerprint = (world->fingerprint ^ value) * 0x100000001b3 + (world->fingerprint >> 29);
}

static void fill_random(struct world *base, void *out, size_t size) {
    uint8_t *place = out;
    for (size_t i = 0; i < size; i++)
        place[i] = (uint8_t)(sim_random(sim_of(base)) >> 11);
}

/* ---- clock ---- */

int64_t sim_wall_ms(const struct sim_world *world) {
    return (world->wall_offset_us + world->now_ns / 1000) / 1000;
}
static int64_t wall_us(struct world *base) {
    return sim_of(base)->wall_offset_us + sim_of(base)->now_ns / 1000;
}
static int64_t monotonic_ns(struct world *base) {
    return sim_of(base)->now_ns;
}
static uint64_t boot_id(struct world *base) {
    return sim_of(base)->boot_id;
}

static int64_t user_id(struct world *base) {
    return 1000;
}

void sim_jump_wall_clock(struct world *world, int64_t by_ms) {
    sim_of(world)->wall_offset_us += by_ms * 1000;
}

/* ---- loops ---- */

static struct sim_loop *loop_of(struct world_loop *loop) {
    return (struct sim_loop *)loop;
}

static struct world_loop *loop_create(struct world *base, const char *name, struct error *error) {
    struct sim_loop *loop = world_allocate(sizeof *loop);
    loop->base.world = base;
    snprintf(loop->name, sizeof loop->name, "%s", name);
    list_append(&sim_of(base)->loops, &loop->node);
    return &loop->base;
}

static void run_in(
    struct sim_world *world, struct sim_loop *loop, void (*run)(struct sim_world *world, void *object), void *object) {
    ASSERT(!world->in_event); /* an event must not step the world */
    world->in_event = true;
    world->current_loop = loop;
    run(world, object);
    world->current_loop = NULL;
    world->in_event = false;
}

static void run_post(struct sim_world *world, void *object) {
    struct sim_loop *loop = object;
    struct sim_post post = loop->posts.items[loop->first_post++];
    if (loop->first_post == loop->posts.count)
        loop->posts.count = loop->first_post = 0;
    post.function(post.argument);
}

static void loop_destroy(struct world_loop *base) {
    struct sim_loop *loop = loop_of(base);
    struct sim_world *world = sim_of(base->world);
    while (loop->posts.count > 0)
        run_in(world, loop, run_post, loop);
    ASSERT(loop->object_count == 0); /* a timer, listener or socket of this loop was not closed */
    VECTOR_FREE(&loop->posts);
    list_remove(&loop->node);
    free(loop);
}

static void loop_post(struct world_loop *base, world_function *function, void *argument) {
    VECTOR_PUSH(&loop_of(base)->posts, ((struct sim_post){function, argument}));
}

struct call {
    world_function *function;
    void *argument;
    bool done;
};

static void run_call(void *argument) {
    struct call *call = argument;
    call->function(call->argument);
    call->done = true;
}

static void loop_call(struct world_loop *loop, world_function *function, void *argument) {
    struct call call = {function, argument, false};
    loop_post(loop, run_call, &call);
    while (!call.done)
        sim_step(loop->world);
}

static bool loop_is_current(struct world_loop *loop) {
    return sim_of(loop->world)->current_loop == loop_of(loop);
}

static int64_t loop_now_ms(struct world_loop *loop) {
    return sim_of(loop->world)->now_ns / 1000000;
}

/* ---- timers ---- */

static struct world_timer *timer_create_sim(struct world_loop *loop, world_function *function, void *argument) {
    struct sim_timer *timer = world_allocate(sizeof *timer);
    timer->base.world = loop->world;
    timer->loop = loop_of(loop);
    timer->loop->object_count++;
    timer->function = function;
    timer->argument = argument;
    timer->node.next = timer->node.previous = &timer->node;
    return &timer->base;
}

static void timer_stop(struct world_timer *base) {
    list_remove(&((struct sim_timer *)base)->node);
}

static void timer_start(struct world_timer *base, int64_t delay_ms, int64_t repeat_ms) {
    struct sim_timer *timer = (struct sim_timer *)base;
    struct sim_world *world = sim_of(base->world);
    ASSERT(delay_ms >= 0 && repeat_ms >= 0);
    list_remove(&timer->node);
    list_append(&world->timers, &timer->node);
    timer->due_ns = world->now_ns + delay_ms * 1000000;
    timer->repeat_ns = repeat_ms * 1000000;
}

static void timer_destroy(struct world_timer *base) {
    struct sim_timer *timer = (struct sim_timer *)base;
    list_remove(&timer->node);
    timer->loop->object_count--;
    free(timer);
}

static void fire_timer(struct sim_world *world, void *object) {
    struct sim_timer *timer = object;
    if (timer->repeat_ns > 0)
        timer->due_ns = world->now_ns + timer->repeat_ns;
    else
        list_remove(&timer->node);
    timer->function(timer->argument);
}

/* ---- pools ---- */

static struct world_pool *pool_create(
    struct world *base, const char *name, int thread_count, enum world_pool_priority priority, struct error *error) {
    struct sim_pool *pool = world_allocate(sizeof *pool);
    pool->base.world = base;
    pool->base.thread_count = thread_count;
    list_append(&sim_of(base)->pools, &pool->node);
    return &pool->base;
}

static void pool_submit(struct world_pool *base, world_function *function, void *argument) {
    struct sim_pool *pool = (struct sim_pool *)base;
    struct sim_world *world = sim_of(base->world);
    int64_t delay_ns = (int64_t)sim_random_below(world, (uint64_t)world->faults.pool_delay_us_max + 1) * 1000;
    VECTOR_PUSH(&pool->tasks, ((struct sim_task){function, argument, world->now_ns + delay_ns}));
}

/* Any of the first thread_count tasks may be the next to end. */
static size_t startable_count(const struct sim_pool *pool) {
    size_t queued = pool->tasks.count - pool->first_task;
    return queued < (size_t)pool->base.thread_count ? queued : (size_t)pool->base.thread_count;
}

static void run_task(struct sim_world *world, void *object) {
    struct sim_pool *pool = object;
    size_t ready[256], ready_count = 0;
    for (size_t i = 0; i < startable_count(pool) && ready_count < ARRAY_COUNT(ready); i++)
        if (pool->tasks.items[pool->first_task + i].start_ns <= world->now_ns)
            ready[ready_count++] = pool->first_task + i;
    ASSERT(ready_count > 0);
    size_t chosen = ready[sim_random_below(world, ready_count)];
    struct sim_task task = pool->tasks.items[chosen];
    memmove(&pool->tasks.items[pool->first_task + 1], &pool->tasks.items[pool->first_task],
        (chosen - pool->first_task) * sizeof pool->tasks.items[0]);
    pool->first_task++;
    if (pool->first_task == pool->tasks.count)
        pool->tasks.count = pool->first_task = 0;
    task.function(task.argument);
}

static void run_first_task(struct sim_world *world, void *object) {
    struct sim_pool *pool = object;
    struct sim_task task = pool->tasks.items[pool->first_task++];
    task.function(task.argument);
}

static void pool_destroy(struct world_pool *base) {
    struct sim_pool *pool = (struct sim_pool *)base;
    while (pool->first_task < pool->tasks.count)
        run_in(sim_of(base->world), NULL, run_first_task, pool);
    VECTOR_FREE(&pool->tasks);
    list_remove(&pool->node);
    free(pool);
}

/* ---- stepping ---- */

void sim_add_candidate(struct sim_candidates *candidates, struct sim_loop *loop,
    void (*run)(struct sim_world *world, void *object), void *object) {
    VECTOR_PUSH(&candidates->ready, ((struct sim_candidate){run, object, loop}));
}

static void collect(struct sim_world *world, struct sim_candidates *candidates) {
    LIST_FOR_EACH(node, &world->loops) {
        struct sim_loop *loop = CONTAINER_OF(node, struct sim_loop, node);
        if (loop->posts.count > 0)
            sim_add_candidate(candidates, loop, run_post, loop);
    }
    LIST_FOR_EACH(node, &world->pools) {
        struct sim_pool *pool = CONTAINER_OF(node, struct sim_pool, node);
        bool ready = false;
        for (size_t i = 0; i < startable_count(pool); i++) {
            int64_t start_ns = pool->tasks.items[pool->first_task + i].start_ns;
            ready = ready || start_ns <= world->now_ns;
            if (start_ns > world->now_ns)
                sim_add_future(candidates, start_ns);
        }
        if (ready)
            sim_add_candidate(candidates, NULL, run_task, pool);
    }
    LIST_FOR_EACH(node, &world->timers) {
        struct sim_timer *timer = CONTAINER_OF(node, struct sim_timer, node);
        if (timer->due_ns <= world->now_ns)
            sim_add_candidate(candidates, timer->loop, fire_timer, timer);
        else
            sim_add_future(candidates, timer->due_ns);
    }
    sim_network_candidates(world, candidates);
}

/* One event at the present time; false when there is none. next_ns: when there will be one. */
static bool step_now(struct sim_world *world, int64_t *next_ns) {
    struct sim_candidates candidates = {.next_ns = INT64_MAX};
    collect(world, &candidates);
    *next_ns = candidates.next_ns;
    bool ready = candidates.ready.count > 0;
    if (ready) {
        size_t chosen = sim_random_below(world, candidates.ready.count);
        struct sim_candidate candidate = candidates.ready.items[chosen];
        sim_note(world, chosen + (uint64_t)world->now_ns);
        world->now_ns += EVENT_NS;
        run_in(world, candidate.loop, candidate.run, candidate.object);
    }
    VECTOR_FREE(&candidates.ready);
    return ready;
}

static bool step_before(struct sim_world *world, int64_t limit_ns) {
    int64_t next_ns;
    while (!step_now(world, &next_ns)) {
        if (next_ns == INT64_MAX || next_ns > limit_ns)
            return false;
        world->now_ns = next_ns;
    }
    return true;
}

bool sim_step(struct world *world) {
    return step_before(sim_of(world), INT64_MAX);
}

bool sim_run_until(struct world *base, bool (*condition)(void *argument), void *argument, int64_t limit_ms) {
    struct sim_world *world = sim_of(base);
    int64_t limit_ns = world->now_ns + limit_ms * 1000000;
    while (!condition(argument)) {
        if (!step_before(world, limit_ns)) {
            world->now_ns = world->now_ns > limit_ns ? world->now_ns : limit_ns;
            return condition(argument);
        }
    }
    return true;
}

void sim_run_for(struct world *base, int64_t duration_ms) {
    struct sim_world *world = sim_of(base);
    int64_t limit_ns = world->now_ns + duration_ms * 1000000;
    while (step_before(world, limit_ns))
        continue;
    world->now_ns = limit_ns;
}

void sim_settle(struct world *base) {
    int64_t next_ns;
    while (step_now(sim_of(base), &next_ns))
        continue;
}

uint64_t sim_fingerprint(const struct world *world) {
    return sim_of_const(world)->fingerprint;
}

struct sim_faults *sim_faults(struct world *world) {
    return &sim_of(world)->faults;
}

/* ---- making, crashing, destroying ---- */

static void destroy(struct world *base) {
    struct sim_world *world = sim_of(base);
    ASSERT(list_empty(&world->loops) && list_empty(&world->pools));
    sim_disk_free(world);
    free((void *)(uintptr_t)base->operations);
    free(world);
}

struct world *world_sim_create(uint64_t seed) {
    struct world_operations *operations = world_allocate(sizeof *operations);
    *operations = (struct world_operations){
        .destroy = destroy,
        .wall_us = wall_us,
        .monotonic_ns = monotonic_ns,
        .random = fill_random,
        .user_id = user_id,
        .boot_id = boot_id,
        .loop_create = loop_create,
        .loop_destroy = loop_destroy,
        .loop_post = loop_post,
        .loop_call = loop_call,
        .loop_is_current = loop_is_current,
        .loop_now_ms = loop_now_ms,
        .timer_create = timer_create_sim,
        .timer_start = timer_start,
        .timer_stop = timer_stop,
        .timer_destroy = timer_destroy,
        .pool_create = pool_create,
        .pool_destroy = pool_destroy,
        .pool_submit = pool_submit,
    };
    sim_disk_operations(operations);
    sim_path_operations(operations);
    sim_network_operations(operations);
    struct sim_world *world = world_allocate(sizeof *world);
    world->base.operations = operations;
    world->base.is_simulated = true;
    world->random_state = seed;
    world->boot_id = 1;
    world->now_ns = 1000000000;
    world->wall_offset_us = (int64_t)START_WALL_S * 1000000;
    world->faults =
        (struct sim_faults){.pool_delay_us_max = 2000, .network_delay_us_min = 20, .network_delay_us_max = 300};
    world->last_port = 32767;
    list_init(&world->loops);
    list_init(&world->pools);
    list_init(&world->timers);
    list_init(&world->inodes);
    list_init(&world->listeners);
    list_init(&world->sockets);
    sim_disk_start(world);
    return &world->base;
}

struct world *sim_crash(struct world *base, enum sim_crash_kind kind, uint64_t seed) {
    struct sim_world *from = sim_of(base), *to = sim_of(world_sim_create(seed));
    to->now_ns = from->now_ns;
    to->wall_offset_us = from->wall_offset_us;
    to->faults = from->faults;
    to->boot_id = from->boot_id + (kind == SIM_CRASH_POWER);
    sim_disk_survive(from, to, kind);
    return &to->base;
}
