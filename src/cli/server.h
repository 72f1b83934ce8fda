/* server.h: the serving process: data folder, logs, loops, pools and planes, started in order and stopped in the
 * reverse one. */
#ifndef CLI_SERVER_H
#define CLI_SERVER_H

#include "cli/instance.h"
#include "cli/service_logs.h"
#include "cli/settings.h"
#include "cli/stack.h"

struct server_options {
    const char *data; /* absolute */
    const char *address;
    bool services[SERVICE_COUNT];
    const struct settings *settings;
    bool echo_logs;
    bool share;                /* other users of the machine may connect */
    const struct stack *stack; /* names, and where to listen besides `address`; outlives the server; may be NULL */
};

struct server_failure {
    const char *service; /* what did not start, or NULL: the data folder itself */
    uint16_t port;
    struct error error;
};

struct server;

/* Starts everything; on failure nothing is left running and *failure tells. Fills *instance. */
struct server *server_start(
    const struct server_options *options, struct instance *instance, struct server_failure *failure);
/* Stops everything cleanly and frees. */
void server_stop(struct server *server);
/* Bytes for queries, and whether the machine's memory (not the workers') decided it. */
int64_t server_memory_budget(const struct settings *settings, bool *machine_decides);

#endif
