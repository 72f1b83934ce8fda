/* process.c: programs that we start, on libuv. Each leads a process group, so that what it starts ends with it. */
#include "world/posix/posix.h"

#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/list.h"

extern char **environ;

struct posix_process {
    struct world_process base;
    uv_process_t uv;
    world_process_ended *ended;
    void *argument;
    bool has_ended;
};

static void free_process(uv_handle_t *handle) {
    free(CONTAINER_OF((uv_process_t *)handle, struct posix_process, uv));
}

static void process_ended(uv_process_t *uv, int64_t exit_status, int signal_number) {
    struct posix_process *process = CONTAINER_OF(uv, struct posix_process, uv);
    process->has_ended = true;
    if (process->ended != NULL)
        process->ended(process->argument, signal_number != 0 ? 128 + signal_number : (int)exit_status);
}

/* Our environment without the names that are given, and those: an array to free. */
static char **merge_environment(const char *const *given) {
    VECTOR(char *) merged = {0};
    for (char **own = environ; *own != NULL; own++) {
        bool replaced = false;
        for (size_t i = 0; given != NULL && given[i] != NULL && !replaced; i++) {
            size_t size = (size_t)(strchrnul(given[i], '=') - given[i]) + 1;
            replaced = strncmp(*own, given[i], size) == 0;
        }
        if (!replaced)
            VECTOR_PUSH(&merged, *own);
    }
    for (size_t i = 0; given != NULL && given[i] != NULL; i++)
        VECTOR_PUSH(&merged, (char *)(uintptr_t)given[i]);
    VECTOR_PUSH(&merged, NULL);
    return merged.items;
}

static struct world_process *process_start(struct world_loop *loop, const struct world_process_options *given,
    world_process_ended *ended, void *argument, struct error *error) {
    struct posix_process *process = world_allocate(sizeof *process);
    process->base.world = loop->world;
    process->ended = ended;
    process->argument = argument;
    uv_stdio_flags flags = given->output_descriptor >= 0 ? UV_INHERIT_FD : UV_IGNORE;
    uv_stdio_container_t descriptors[3] = {{.flags = UV_IGNORE}, {.flags = flags}, {.flags = flags}};
    descriptors[1].data.fd = descriptors[2].data.fd = given->output_descriptor;
    char **environment = merge_environment(given->environment);
    uv_process_options_t options = {
        .exit_cb = process_ended,
        .file = given->arguments[0],
        .args = (char **)(uintptr_t)given->arguments,
        .env = environment,
        .cwd = given->directory,
        .flags = UV_PROCESS_DETACHED,
        .stdio_count = ARRAY_COUNT(descriptors),
        .stdio = descriptors,
    };
    int result = uv_spawn(posix_loop_uv(loop), &process->uv, &options);
    free(environment);
    if (result == 0)
        return &process->base;
    error_system(error, -result, "cannot start %s", given->arguments[0]);
    uv_close((uv_handle_t *)&process->uv, free_process);
    return NULL;
}

static int64_t process_id(const struct world_process *base) {
    return ((const struct posix_process *)base)->uv.pid;
}

static void process_kill(struct world_process *base, int signal_number) {
    struct posix_process *process = (struct posix_process *)base;
    if (!process->has_ended)
        kill(-process->uv.pid, signal_number);
}

/* libuv forgets a child whose handle is closed: someone must still take its exit status, or it stays a zombie. */
static void *reap(void *argument) {
    waitpid((pid_t)(intptr_t)argument, NULL, 0);
    return NULL;
}

static void process_close(struct world_process *base) {
    struct posix_process *process = (struct posix_process *)base;
    pthread_t thread;
    process->ended = NULL;
    if (!process->has_ended && waitpid(process->uv.pid, NULL, WNOHANG) == 0 &&
        posix_thread_start(&thread, "reap", 64 * 1024, reap, (void *)(intptr_t)process->uv.pid, NULL))
        pthread_detach(thread);
    uv_close((uv_handle_t *)&process->uv, free_process);
}

void posix_process_operations(struct world_operations *operations) {
    operations->process_start = process_start;
    operations->process_id = process_id;
    operations->process_kill = process_kill;
    operations->process_close = process_close;
}
