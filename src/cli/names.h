/* names.h: private host names for one child process and what it starts: a mount namespace (with a user namespace when
 * we are not root) in which /etc/hosts is a file of ours. Nothing outside the child is changed. mount_namespaces(7),
 * user_namespaces(7). */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include "base/error.h"
#include "cli/stack.h"

/* Writes the hosts file: the stack's names at its services' addresses, the course's other names at `address`, then the
 * machine's own /etc/hosts. */
bool names_write_hosts(const char *path, const char *address, const struct stack *stack, struct error *error);
/* In the child, before exec: from now on this process sees `hosts_path` as /etc/hosts and the folders of `volumes`
 * (cli/volumes.h) under their container paths; where the latter is not possible it says so and goes on. The user and
 * group it runs as stay the same. */
bool names_enter(const char *hosts_path, const char *volumes, struct error *error);

/* Whether names_enter would succeed, found out in a child of this process: a failed one may leave a process without
 * rights. */
bool names_can_enter(const char *hosts_path, struct error *error);

/* In a file made by names_write_hosts: `localhost` becomes `address` and is nothing else. */
bool names_set_localhost(const char *path, const char *address, struct error *error);

#endif
