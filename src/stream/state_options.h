/* state_options.h: what a program asks of a checkpoint's state: the options of format("statestore"), with Spark's
 * checks and errors. Inside stream/ only. May wait for the disk. */
#ifndef STREAM_STATE_OPTIONS_H
#define STREAM_STATE_OPTIONS_H

#include "exec/source.h"
#include "store/store.h"

enum state_join_side { STATE_JOIN_NONE, STATE_JOIN_LEFT, STATE_JOIN_RIGHT };

struct state_options {      /* texts in the arena that was given */
    const char *checkpoint; /* canonical path */
    const char *shown;      /* the same as Spark writes it */
    int64_t batch_id, operator_id;
    const char *store_name;
    enum state_join_side side;
    const char *state_variable; /* NULL: not asked for */
    bool registered_timers;
    bool change_feed;
    int64_t change_start;                          /* first batch of a change feed, whose last one is batch_id */
    int64_t snapshot_batch_id, snapshot_partition; /* -1: not asked for */
};

/* The newest committed batch of a checkpoint, -1: none. */
int64_t state_last_committed(struct store *store, struct arena *arena, const char *checkpoint);
/* The checkpoint that path or load() names. false with *error. */
bool state_options_checkpoint(struct store *store, struct arena *arena, const struct source_request *request,
    struct state_options *options, struct sql_error *error);
bool state_options_read(struct store *store, struct arena *arena, const struct source_request *request,
    struct state_options *options, struct sql_error *error);
/* As errors show them. In arena. */
const char *state_options_text(struct arena *arena, const struct state_options *options);

#endif
