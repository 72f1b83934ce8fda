/* kafka_group_reset.h: kafka-consumer-groups --reset-offsets. */
#ifndef CLI_KAFKA_GROUP_RESET_H
#define CLI_KAFKA_GROUP_RESET_H

#include "cli/kafka/kafka_groups.h"

/* The partitions that --topic and --all-topics mean; all-topics: those of `committed`. */
bool reset_scope(
    struct tool *tool, const struct group_places *committed, struct group_places *scope, struct error *error);
/* Plans, and with --execute writes, the groups' new offsets; prints them. The exit status. */
int reset_groups(struct tool *tool, const struct tool_texts *groups);

#endif
