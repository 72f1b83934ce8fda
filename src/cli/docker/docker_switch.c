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

/* What is done with each container, and what is said of it then: of one that was stopped, and of one that ran. */
struct change_word {
    enum change change;
    const char *done, *ran_before;
};

static int change_chosen(struct docker_call *call, const struct docker_option *options, size_t option_count,
    const struct change_word *word) {
    struct container **chosen = NULL;
    size_t count;
    int status = 1;
    if (docker_options(call, options, option_count, false) > 0 && docker_chosen(call, 1, call->argc, &chosen, &count)) {
        status = 0;
        for (size_t i = 0; i < count; i++) {
            bool ran = chosen[i]->is_running;
            if (change(call, chosen[i], word->change))
                say_done(call, chosen[i], ran ? word->ran_before : word->done);
            else
                status = 1;
        }
    }
    free(chosen);
    return status;
}

/* A service stops at once, so within every time that is given to it. */
static int stop_or_start(struct docker_call *call, enum change change, const char *done) {
    const char *time_s;
    const struct docker_option options[] = {{.names = "-t --time --timeout", .value = &time_s},
        {.names = "-s --signal", .effect = DOCKER_VALUE_WITHOUT_EFFECT}};
    return change_chosen(call, options, ARRAY_COUNT(options), &(struct change_word){change, done, done});
}

int docker_stop(struct docker_call *call) {
    return stop_or_start(call, CHANGE_STOP, "Stopped");
}

int docker_start(struct docker_call *call) {
    return stop_or_start(call, CHANGE_START, "Started");
}

int docker_restart(struct docker_call *call) {
    return stop_or_start(call, CHANGE_RESTART, "Restarted");
}

/* What is stopped is started; the rest runs. Up returns when the ports answer, and leaves everything in the background.
 */
int docker_up(struct docker_call *call) {
    bool holds;
    const char *time_s;
    const struct docker_option options[] = {{.names = "-d --detach", .flag = &holds},
        {.names = "--wait", .flag = &holds}, {.names = "--no-recreate", .flag = &holds},
        {.names = "--remove-orphans", .flag = &holds}, {.names = "-t --timeout", .value = &time_s},
        {.names = "--build", .effect = DOCKER_FLAG_WITHOUT_EFFECT},
        {.names = "--force-recreate", .effect = DOCKER_FLAG_WITHOUT_EFFECT},
        {.names = "--pull", .effect = DOCKER_VALUE_WITHOUT_EFFECT}};
    return change_chosen(
        call, options, ARRAY_COUNT(options), &(struct change_word){CHANGE_START, "Started", "Running"});
}

/* The whole Raudal ends, as `raudal down` does it, with its question before the data is wiped. */
int docker_down(struct docker_call *call) {
    bool volumes = false, yes = false, holds;
    const char *time_s;
    const struct docker_option options[] = {{.names = "-v --volumes", .flag = &volumes},
        {.names = "-y --yes", .flag = &yes}, {.names = "--remove-orphans", .flag = &holds},
        {.names = "-t --timeout", .value = &time_s}, {.names = "--rmi", .effect = DOCKER_VALUE_WITHOUT_EFFECT}};
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
