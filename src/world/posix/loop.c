/* loop.c: event loops and timers on libuv.
 *
 * Posts go into a queue under a mutex. The loop runs them before and after it waits for descriptors; a post wakes the
 * loop only while it waits, so posts made by the loop's own callbacks cost no system call. Posts made by posts run in
 * the next turn, so that descriptors are not starved. */
#include "world/posix/posix.h"

#include <stdio.h>

struct post {
    world_function *function;
    void *argument;
};
struct posts {
    struct post *items;
    size_t count, capacity;
};

struct posix_loop {
    struct world_loop base;
    uv_loop_t uv;
    uv_async_t wake;
    uv_prepare_t prepare; /* before waiting */
    uv_check_t check;     /* after waiting */
    uv_idle_t idle;       /* active: do not wait */
    pthread_t thread;
    pthread_mutex_t lock;
    struct posts posts;   /* under lock */
    bool waits;           /* under lock: a post must wake the loop */
    struct posts running; /* loop thread */
};

struct posix_timer {
    struct world_timer base;
    uv_timer_t uv;
    world_function *function;
    void *argument;
};

static _Thread_local struct posix_loop *current_loop;

static struct posix_loop *loop_of(struct world_loop *loop) {
    return (struct posix_loop *)loop;
}

uv_loop_t *posix_loop_uv(struct world_loop *loop) {
    ASSERT(current_loop == loop_of(loop));
    return &loop_of(loop)->uv;
}

static void run_posts(struct posix_loop *loop) {
    pthread_mutex_lock(&loop->lock);
    struct posts posts = loop->posts;
    loop->posts = loop->running;
    loop->running = posts;
    pthread_mutex_unlock(&loop->lock);
    for (size_t i = 0; i < posts.count; i++)
        posts.items[i].function(posts.items[i].argument);
    loop->running.count = 0;
}

static void do_nothing(uv_idle_t *idle) {
}

static void before_waiting(uv_prepare_t *prepare) {
    struct posix_loop *loop = prepare->data;
    run_posts(loop);
    pthread_mutex_lock(&loop->lock);
    bool more = loop->posts.count > 0;
    loop->waits = !more;
    pthread_mutex_unlock(&loop->lock);
    /* libuv computes how long to wait after this callback: an active idle handle makes that zero. */
    if (more)
        uv_idle_start(&loop->idle, do_nothing);
    else
        uv_idle_stop(&loop->idle);
}

static void after_waiting(uv_check_t *check) {
    struct posix_loop *loop = check->data;
    pthread_mutex_lock(&loop->lock);
    loop->waits = false;
    pthread_mutex_unlock(&loop->lock);
    run_posts(loop);
}

static void woken(uv_async_t *wake) {
}

static void *run_loop(void *argument) {
    struct posix_loop *loop = argument;
    current_loop = loop;
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    return NULL;
}

static void close_own_handles(void *argument) {
    struct posix_loop *loop = argument;
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->prepare, NULL);
    uv_close((uv_handle_t *)&loop->check, NULL);
    uv_close((uv_handle_t *)&loop->idle, NULL);
}

static void free_loop(struct posix_loop *loop) {
    int result = uv_loop_close(&loop->uv);
    ASSERT(result == 0);
    pthread_mutex_destroy(&loop->lock);
    VECTOR_FREE(&loop->posts);
    VECTOR_FREE(&loop->running);
    free(loop);
}

static struct world_loop *loop_create(struct world *world, const char *name, struct error *error) {
    struct posix_loop *loop = world_allocate(sizeof *loop);
    loop->base.world = world;
    int result = uv_loop_init(&loop->uv);
    if (result != 0) {
        error_system(error, -result, "cannot create the event loop %s", name);
        free(loop);
        return NULL;
    }
    pthread_mutex_init(&loop->lock, NULL);
    result = uv_async_init(&loop->uv, &loop->wake, woken);
    ASSERT(result == 0);
    uv_prepare_init(&loop->uv, &loop->prepare);
    uv_check_init(&loop->uv, &loop->check);
    uv_idle_init(&loop->uv, &loop->idle);
    loop->prepare.data = loop->check.data = loop;
    uv_prepare_start(&loop->prepare, before_waiting);
    uv_check_start(&loop->check, after_waiting);
    if (!posix_thread_start(&loop->thread, name, 512 * 1024, run_loop, loop, error)) {
        close_own_handles(loop);
        uv_run(&loop->uv, UV_RUN_DEFAULT);
        free_loop(loop);
        return NULL;
    }
    return &loop->base;
}

static void count_open_handle(uv_handle_t *handle, void *argument) {
    if (!uv_is_closing(handle))
        (*(size_t *)argument)++;
}

/* The last post: everything posted before it has run; what those posts posted runs in the rounds below. */
static void stop_loop(void *argument) {
    struct posix_loop *loop = argument;
    for (;;) {
        pthread_mutex_lock(&loop->lock);
        struct posts posts = loop->posts;
        loop->posts = (struct posts){0};
        pthread_mutex_unlock(&loop->lock);
        bool more = posts.count > 0;
        for (size_t i = 0; i < posts.count; i++)
            posts.items[i].function(posts.items[i].argument);
        VECTOR_FREE(&posts);
        if (!more)
            break;
    }
    close_own_handles(loop);
    size_t open_count = 0;
    uv_walk(&loop->uv, count_open_handle, &open_count);
    ASSERT(open_count == 0); /* a timer, listener or socket of this loop was not closed */
}

static void loop_post(struct world_loop *base, world_function *function, void *argument) {
    struct posix_loop *loop = loop_of(base);
    pthread_mutex_lock(&loop->lock);
    VECTOR_PUSH(&loop->posts, ((struct post){function, argument}));
    bool wakes = loop->waits;
    loop->waits = false;
    if (wakes) /* under the lock: the loop cannot go away meanwhile */
        uv_async_send(&loop->wake);
    pthread_mutex_unlock(&loop->lock);
}

struct call {
    world_function *function;
    void *argument;
    pthread_mutex_t lock;
    pthread_cond_t condition;
    bool done;
};

static void run_call(void *argument) {
    struct call *call = argument;
    call->function(call->argument);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->condition);
    pthread_mutex_unlock(&call->lock);
}

static void loop_call(struct world_loop *loop, world_function *function, void *argument) {
    ASSERT(current_loop == NULL);
    struct call call = {.function = function, .argument = argument};
    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.condition, NULL);
    loop_post(loop, run_call, &call);
    pthread_mutex_lock(&call.lock);
    while (!call.done)
        pthread_cond_wait(&call.condition, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.condition);
    pthread_mutex_destroy(&call.lock);
}

static void loop_destroy(struct world_loop *base) {
    struct posix_loop *loop = loop_of(base);
    ASSERT(current_loop != loop);
    loop_post(base, stop_loop, loop);
    pthread_join(loop->thread, NULL);
    free_loop(loop);
}

static bool loop_is_current(struct world_loop *loop) {
    return current_loop == loop_of(loop);
}

static int64_t loop_now_ms(struct world_loop *loop) {
    return (int64_t)uv_now(&loop_of(loop)->uv);
}

static void timer_fired(uv_timer_t *uv) {
    struct posix_timer *timer = uv->data;
    timer->function(timer->argument);
}

static struct world_timer *timer_create_posix(struct world_loop *loop, world_function *function, void *argument) {
    struct posix_timer *timer = world_allocate(sizeof *timer);
    timer->base.world = loop->world;
    timer->function = function;
    timer->argument = argument;
    uv_timer_init(posix_loop_uv(loop), &timer->uv);
    timer->uv.data = timer;
    return &timer->base;
}

static void timer_start(struct world_timer *base, int64_t delay_ms, int64_t repeat_ms) {
    struct posix_timer *timer = (struct posix_timer *)base;
    ASSERT(delay_ms >= 0 && repeat_ms >= 0);
    uv_update_time(timer->uv.loop); /* libuv counts from its cached time */
    uv_timer_start(&timer->uv, timer_fired, (uint64_t)delay_ms, (uint64_t)repeat_ms);
}

static void timer_stop(struct world_timer *base) {
    uv_timer_stop(&((struct posix_timer *)base)->uv);
}

static void free_timer(uv_handle_t *handle) {
    free(handle->data);
}

static void timer_destroy(struct world_timer *base) {
    uv_close((uv_handle_t *)&((struct posix_timer *)base)->uv, free_timer);
}

void posix_loop_operations(struct world_operations *operations) {
    operations->loop_create = loop_create;
    operations->loop_destroy = loop_destroy;
    operations->loop_post = loop_post;
    operations->loop_call = loop_call;
    operations->loop_is_current = loop_is_current;
    operations->loop_now_ms = loop_now_ms;
    operations->timer_create = timer_create_posix;
    operations->timer_start = timer_start;
    operations->timer_stop = timer_stop;
    operations->timer_destroy = timer_destroy;
}
