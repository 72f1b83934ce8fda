/* kafka_server.c: the broker alone, for tests and measurements of this folder.
 *
 *   kafka_server ADDRESS PORT DIRECTORY [name=value]…     until SIGTERM or SIGINT */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kafka/broker.h"

static char **setting_words;
static int setting_count;

static const char *setting(void *context, const char *name) {
    size_t size = strlen(name);
    for (int i = 0; i < setting_count; i++)
        if (strncmp(setting_words[i], name, size) == 0 && setting_words[i][size] == '=')
            return setting_words[i] + size + 1;
    return NULL;
}

static void write_line(void *context, const char *line, size_t size) {
    fwrite(line, 1, size, stderr);
}

static int64_t wall_ms(void *context) {
    return world_wall_ms(context);
}

int main(int count, char **words) {
    if (count < 4) {
        fprintf(stderr, "usage: kafka_server ADDRESS PORT DIRECTORY [name=value]…\n");
        return 2;
    }
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    setting_words = words + 4;
    setting_count = count - 4;
    struct error error = {0};
    struct world *world = world_posix_create();
    struct world_loop *loop = world_loop_create(world, "kafka", &error);
    struct world_pool *pool = loop ? world_pool_create(world, "disk", 4, WORLD_POOL_NORMAL, &error) : NULL;
    struct service_log *log =
        service_log_create("kafka", LOG_FORM_KAFKA, (struct service_log_target){world, write_line, wall_ms});
    const char *addresses[] = {words[1]};
    struct broker_options options = {.world = world,
        .loop = loop,
        .disk_pool = pool,
        .directory = words[3],
        .addresses = addresses,
        .address_count = 1,
        .port = (uint16_t)strtoul(words[2], NULL, 10),
        .setting = setting,
        .service_log = log};
    struct broker *broker = pool ? broker_start(&options, &error) : NULL;
    if (!broker) {
        fprintf(stderr, "kafka_server: %s\n", error.message);
        return 1;
    }
    int received;
    sigwait(&signals, &received);
    broker_stop(broker);
    world_pool_destroy(pool);
    world_loop_destroy(loop);
    service_log_destroy(log);
    world_destroy(world);
    return 0;
}
