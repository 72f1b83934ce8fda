/* up_compose.h: `raudal up` with a compose file: where it is, what of the plan (compose/compose.h) becomes settings,
 * services, addresses and names, and what is done once everything answers. */
#ifndef CLI_UP_COMPOSE_H
#define CLI_UP_COMPOSE_H

#include <limits.h>
#include "cli/options.h"
#include "cli/stack.h"
#include "compose/compose.h"

/* The absolute path of the compose file: `given` (-f), else the one of the working folder, or of a folder above it when
 * `upward`. False when there is none; a given one always counts. */
bool up_compose_find(const char *given, bool upward, char path[PATH_MAX]);
/* Reads and plans; with COMPOSE_PROFILES and `profiles`. */
bool up_compose_read(
    const char *path, const struct option_list *profiles, struct compose_plan *plan, struct error *error);
/* The plan's settings. Before those of raudal.properties and --set, which win. */
bool up_compose_settings(const struct compose_plan *plan, struct settings *settings, struct error *error);
/* Which services the file has. */
void up_compose_services(const struct compose_plan *plan, bool services[SERVICE_COUNT]);
/* After all settings are loaded: gives each service its port at `address`, and makes the stack, each service with an
 * address of its own from the block of `address`. Prints what is wrong. */
bool up_compose_stack(const struct compose_plan *plan, const char *path, const char *address, struct settings *settings,
    const bool services[SERVICE_COUNT], struct stack *stack);
/* Once everything answers: makes topics and runs the init services' commands; prints what they say. */
void up_compose_finish(const struct compose_plan *plan, const char *data, const char *address, uint16_t kafka_port);
void up_compose_print_notes(const struct compose_plan *plan);

#endif
