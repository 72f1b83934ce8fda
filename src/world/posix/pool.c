/* pool.c: threads that work off a queue. A thread is started when a task finds no idle one and the pool is not full, so
 * that a pool that is never used costs nothing. */
#include "world/posix/posix.h"

#include <sched.h>
#include <stdio.h>
#include <sys/resource.h>

struct task {
    struct task *next;
    world_function *function;
    void *argument;
};

struct posix_pool {
    struct world_pool base;
    char name[13];
    enum world_pool_priority priority;
    pthread_mutex_t lock;
    pthread_cond_t condition;
    /* Under lock. */
    struct task *first, *last;
    int started_count, idle_count;
    size_t queued_count;
    bool stops;
    pthread_t threads[];
};

static void lower_priority(void) {
    /* On Linux both calls mean the calling thread. A refusal costs only the priority. */
    struct sched_param parameters = {0};
    pthread_setschedparam(pthread_self(), SCHED_BATCH, &parameters);
    setpriority(PRIO_PROCESS, 0, 5);
}

static void *run_thread(void *argument) {
    struct posix_pool *pool = argument;
    if (pool->priority == WORLD_POOL_BACKGROUND)
        lower_priority();
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct task *task = pool->first;
        if (task == NULL && pool->stops)
            break;
        if (task == NULL) {
            pool->idle_count++;
            pthread_cond_wait(&pool->condition, &pool->lock);
            pool->idle_count--;
            continue;
        }
        pool->first = task->next;
        pool->last = pool->first == NULL ? NULL : pool->last;
        pool->queued_count--;
        pthread_mutex_unlock(&pool->lock);
        struct task copy = *task;
        free(task);
        copy.function(copy.argument);
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

/* A pool that has threads already goes on with those when the machine gives no more. Under lock. */
static bool start_thread(struct posix_pool *pool, struct error *error) {
    char name[16];
    snprintf(name, sizeof name, "%s-%u", pool->name, (unsigned int)pool->started_count % 100);
    if (!posix_thread_start(&pool->threads[pool->started_count], name, 1024 * 1024, run_thread, pool, error))
        return false;
    pool->started_count++;
    return true;
}

static struct world_pool *pool_create(
    struct world *world, const char *name, int thread_count, enum world_pool_priority priority, struct error *error) {
    struct posix_pool *pool = world_allocate(sizeof *pool + (size_t)thread_count * sizeof pool->threads[0]);
    pool->base.world = world;
    pool->base.thread_count = thread_count;
    snprintf(pool->name, sizeof pool->name, "%s", name);
    pool->priority = priority;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->condition, NULL);
    return &pool->base;
}

static void pool_submit(struct world_pool *base, world_function *function, void *argument) {
    struct posix_pool *pool = (struct posix_pool *)base;
    struct task *task = world_allocate(sizeof *task);
    task->function = function;
    task->argument = argument;
    pthread_mutex_lock(&pool->lock);
    ASSERT(!pool->stops);
    if (pool->last != NULL)
        pool->last->next = task;
    else
        pool->first = task;
    pool->last = task;
    pool->queued_count++;
    if (pool->queued_count > (size_t)pool->idle_count && pool->started_count < base->thread_count) {
        struct error error = {0};
        bool started = start_thread(pool, &error);
        if (!started && pool->started_count == 0) {
            fprintf(stderr, "%s\n", error.message);
            ASSERT(started); /* nobody would ever run the task */
        }
    }
    pthread_cond_signal(&pool->condition);
    pthread_mutex_unlock(&pool->lock);
}

static void pool_destroy(struct world_pool *base) {
    struct posix_pool *pool = (struct posix_pool *)base;
    pthread_mutex_lock(&pool->lock);
    pool->stops = true;
    int started_count = pool->started_count;
    pthread_cond_broadcast(&pool->condition);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < started_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->condition);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void posix_pool_operations(struct world_operations *operations) {
    operations->pool_create = pool_create;
    operations->pool_destroy = pool_destroy;
    operations->pool_submit = pool_submit;
}
