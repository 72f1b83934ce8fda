/* session.h: session windows: spans of time that meet become one. Internal to exec/. */
#ifndef EXEC_SESSION_H
#define EXEC_SESSION_H

#include "column/column.h"
#include "sql/plan.h"

/* One row: from its time to its time and the gap, for a key. */
struct span {
    uint32_t key, row;
    int64_t start, end;
};

/* The sessions found, in the order of keys and starts. */
struct session_list {
    int64_t *starts, *ends;
    uint32_t *rows; /* the first row of each */
    size_t count;
};

/* Sorts the spans by key, start and row (`order`: the rows so) and says the session of each in that order (`numbers`).
 * A span belongs to the session before when it begins no later than that ends. */
void sessions_find(struct arena *arena, struct span *spans, size_t count, uint32_t *order, uint32_t *numbers,
    struct session_list *list);
/* struct<start, end>: of the sessions with these numbers, or of all in order when NULL. */
struct column *sessions_column(struct arena *arena, const struct type *type, const struct session_list *list,
    const uint32_t *numbers, size_t count);
/* Which grouping of an aggregate is a session window; SIZE_MAX: none. */
size_t session_key(const struct relation *aggregate);

#endif
