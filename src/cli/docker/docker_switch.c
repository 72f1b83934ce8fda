/* docker_switch.c: stop, start, restart; up and down of compose. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/assert.h"
#include "cli/commands.h"
#include "cli/docker/docker.h"
#include "cli/messages.h"

/* Compose tells its progress on standard error; docker names each container when it is done. */
static void say_done(const struct docker_call *call, const struct container *container, const char *what) {
    if (call->caller == CALLED_AS_COMPOSE)
        fprintf(stderr, " Container %s  %s\n", container->service->container, what);
    else
        puts(container->service->container);
}

enum change { CHANGE_STOP = 1, CHANGE_START = 2, CHANGE_RESTART = 3 };

static bool change(struct docker_call *call, struct container *container, enum change change) {
    if ((change & CHANGE_STOP) != 0 && !container_switch(&call->containers, container, false))
        return false;
    return (change & CHANGE_START) == 0 || container_switch(&call->containers, container, true);
}

static int change_chosen(struct docker_call *call, enum change what, const char *done) {
    const char *ignored;
    const struct docker_option options[] = {
        {"-t --time --timeout", NULL, &ignored, NULL, NULL}, {"-s --signal", NULL, &ignored, NULL, NULL}};
    struct container **chosen = NULL;
    size_t count;
    int status = 1;
    if (docker_options(call, options, ARRAY_COUNT(options), false) > 0 &&
        docker_chosen(call, 1, call->argc, &chosen, &count)) {
        status = 0;
        for (size_t i = 0; i < count; i++) {
            if (change(call, chosen[i], what))
                say_done(call, chosen[i], done);
            else
                status = 1;
        }
    }
    free(chosen);
    return status;
}

int docker_stop(struct docker_call *call) {
    return change_chosen(call, CHANGE_STOP, "Stopped");
}

int docker_start(struct docker_call *call) {
    return change_chosen(call, CHANGE_START, "Started");
}

int docker_restart(struct docker_call *call) {
    return change_chosen(call, CHANGE_RESTART, "Restarted");
}

/* What is stopped is started; the rest runs. */
int docker_up(struct docker_call *call) {
    bool ignored;
    const char *text;
    const struct docker_option options[] = {{"-d --detach", &ignored, NULL, NULL, NULL},
        {"--wait", &ignored, NULL, NULL, NULL}, {"--build", &ignored, NULL, NULL, NULL},
        {"--force-recreate", &ignored, NULL, NULL, NULL}, {"--no-recreate", &ignored, NULL, NULL, NULL},
        {"--remove-orphans", &ignored, NULL, NULL, NULL}, {"--pull", NULL, &text, NULL, NULL},
        {"-t --timeout", NULL, &text, NULL, NULL}};
    struct container **chosen = NULL;
    size_t count;
    int status = 1;
    if (docker_options(call, options, ARRAY_COUNT(options), false) > 0 &&
        docker_chosen(call, 1, call->argc, &chosen, &count)) {
        status = 0;
        for (size_t i = 0; i < count; i++) {
            bool ran = chosen[i]->is_running;
            if (change(call, chosen[i], CHANGE_START))
                say_done(call, chosen[i], ran ? "Running" : "Started");
            else
                status = 1;
        }
    }
    free(chosen);
    return status;
}

/* The whole Raudal ends, as `raudal down` does it, with its question before the data is wiped. */
int docker_down(struct docker_call *call) {
    bool volumes = false, yes = false, ignored;
    const char *text;
    const struct docker_option options[] = {{"-v --volumes", &volumes, NULL, NULL, NULL},
        {"-y --yes", &yes, NULL, NULL, NULL}, {"--remove-orphans", &ignored, NULL, NULL, NULL},
        {"-t --timeout", NULL, &text, NULL, NULL}, {"--rmi", NULL, &text, NULL, NULL}};
    if (docker_options(call, options, ARRAY_COUNT(options), false) < 0)
        return 1;
    char *words[8] = {(char *)"down", (char *)"--data", call->containers.instance.data};
    int count = 3;
    if (volumes)
        words[count++] = (char *)"-v";
    if (yes)
        words[count++] = (char *)"-y";
    return command_down(count, words);
}
