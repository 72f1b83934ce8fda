/* listeners.h: who listens on which TCP port of this machine, as /proc tells it: /proc/net/tcp and tcp6 (proc(5)) give
 * address, port, owner and socket; the socket's process is found through /proc/PID/fd. */
#ifndef CLI_DOCTOR_LISTENERS_H
#define CLI_DOCTOR_LISTENERS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/vector.h"

struct listener_entry {
    char address[64]; /* "127.0.0.1"; "0.0.0.0" also for an IPv6 socket on all addresses */
    uint16_t port;
    uid_t user;
    unsigned long socket; /* inode */
    pid_t pid;            /* 0: of a process that we may not look into */
    char name[64];        /* the program's, with what it runs: "java kafka.Kafka"; "" with pid 0 */
};
struct listener_list {
    struct listener_entry *items;
    size_t count, capacity;
};

/* All of them; VECTOR_FREE the list. */
void listeners_read(struct listener_list *list);
/* Whether a connection to `address` reaches the listener. */
bool listener_takes(const struct listener_entry *entry, const char *address);

#endif
