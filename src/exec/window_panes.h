/* window_panes.h: sliding windows at the cost of tumbling ones. Windows that overlap are made of panes as long as the
 * slide; a record is counted in the one pane that it falls into, and each pane's states are then merged into the
 * windows that it is a part of. Internal to exec/. */
#ifndef EXEC_WINDOW_PANES_H
#define EXEC_WINDOW_PANES_H

#include "exec/aggregate_table.h"

struct window_panes {
    size_t overlap;               /* windows that a record is in; 1: the aggregation is done as it stands */
    size_t key;                   /* the grouping that is the window */
    int64_t slide_us;             /* from one window to the next */
    const struct relation *input; /* what is grouped: with panes, each row once, with its newest window */
};

/* Whether the aggregation may be done in panes: its input repeats rows for windows that a slide divides, nothing but
 * the grouping looks at the window, and the order of merging does not show in the results. */
struct window_panes window_panes_find(
    struct arena *arena, const struct aggregate *aggregate, const struct relation_aggregate *node);
/* Keys of panes, named by their newest window, as keys of all their windows: row window * count + i belongs to pane i.
 */
struct column **window_panes_spread(
    struct arena *arena, const struct window_panes *panes, struct column *const *keys, size_t key_count, size_t count);

/* Whether an aggregate's states come out the same in whatever order they are merged. */
bool window_panes_is_exact(const struct aggregate_slot *slot);

#endif
