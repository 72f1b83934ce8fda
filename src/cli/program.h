/* program.h: a program that Raudal starts (raudal run, shell, lab, a notebook's kernel): its folder
 * DIR/run/programs/ID, which the server also looks into.
 *
 *   lock      held (an open-file-description lock) by the starting process: as long as it is held, the program lives
 *   console   what streaming queries of the program print to the console sink; the server appends, the starting process
 *             copies it to its terminal; console.MARK is that of one query of a notebook
 *   hosts     the private /etc/hosts
 *
 * SPARK_REMOTE carries ID as x-raudal-program, so that the server knows which sessions belong to it. */
#ifndef CLI_PROGRAM_H
#define CLI_PROGRAM_H

#include "cli/instance.h"

struct program {
    const struct instance *instance;
    char id[40];
    char folder[PATH_MAX + 64];
    int lock; /* descriptor */
    bool with_names;
};

/* Makes the folder and takes the lock. */
bool child_program_create(struct program *program, const struct instance *instance, struct error *error);
/* What the program's `localhost` is: a service's own address (docker exec). Before it runs. */
bool child_program_set_localhost(struct program *program, const char *address, struct error *error);
/* Starts argv (found on the child's PATH) with the child's environment, copies the console, waits. Returns the exit
 * status as a shell gives it (128 + signal). */
int child_program_run(struct program *program, char **argv);
void child_program_remove(struct program *program);

/* Becomes the program in this process: private names and folders, environment. For a child between fork and exec, or
 * before an exec of our own. False after a message that says what the
 * kernel refuses. */
bool child_program_enter(const struct program *program);
/* Writes the start-up modules for Python into a folder that is on PYTHONPATH. */
bool child_program_write_modules(const char *folder, struct error *error);

#endif
