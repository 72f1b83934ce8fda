/* containers.h: the services of run/stack.json as containers: what runs, since when, and stopping and starting them.
 *
 * Several containers of one kind (three brokers, two workers) are one service of this Raudal: it stops when the last of
 * them is stopped. DIR/run/stopped holds the names of stopped containers, one a line, behind a line with the process
 * and its start, so that a later `up` finds all of them running. */
#ifndef CLI_DOCKER_CONTAINERS_H
#define CLI_DOCKER_CONTAINERS_H

#include <jansson.h>

#include "cli/instance.h"
#include "cli/stack.h"

struct container {
    const struct stack_service *service; /* of the stack */
    char id[65];                         /* hexadecimal */
    bool is_served;                      /* false: a service of the compose file that is not ours to run */
    bool is_running;
    int64_t created_ms, started_ms, stopped_ms;
};

struct containers {
    struct instance instance;
    struct stack stack;
    VECTOR(struct container) items;
};

/* Of the running instance; prints why not and returns false when there is none. containers_free either way. */
bool containers_load(struct containers *containers, const char *given_data);
void containers_free(struct containers *containers);
/* By container name, service name, or the beginning of an id; NULL. */
struct container *containers_find(struct containers *containers, const char *name);
/* Stops or starts one; prints why not. Notes that concern others (a broker of several names) are printed too. */
bool container_switch(struct containers *containers, struct container *container, bool starts);
/* The image as `docker ps` shows it. */
const char *container_image(const struct container *container);
/* "127.0.0.1:9092->9092/tcp, …" in `out`, also for a stopped one. */
void container_ports(const struct containers *containers, const struct container *container, struct buffer *out);
/* "About an hour", as docker counts. */
void docker_duration(int64_t ms, char out[48]);
int64_t docker_now_ms(void);

#endif
