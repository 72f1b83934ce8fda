/* state_join.h: what may be forgotten of a join of two streams. Internal to exec/ and stream/. */
#ifndef EXEC_STATE_JOIN_H
#define EXEC_STATE_JOIN_H

#include "sql/plan.h"

enum join_forgetting {
    JOIN_KEEPS_ALL,
    JOIN_FORGETS_BY_KEY,   /* when the watermark has passed the key's event time */
    JOIN_FORGETS_BY_VALUE, /* when the watermark and offset_ms have passed the row's event time */
};

struct join_limit {
    enum join_forgetting by;
    size_t key;        /* BY_KEY: which one */
    bool window;       /* the time is a window, whose end counts */
    int64_t offset_ms; /* BY_VALUE: what the condition allows between the two times */
    bool never;        /* BY_VALUE: as in Spark, a plain number bounds the rows too, as a time in 1970 */
};

/* How long rows of the left (or right) side may still find a partner. The join is bound: columns have ordinals. */
struct join_limit join_side_limit(struct arena *arena, const struct relation_join *join, bool left);

#endif
