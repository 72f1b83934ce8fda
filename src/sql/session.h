/* session.h: the session's inside: views, ids, settings. Internal to sql/. */
#ifndef SQL_SESSION_H
#define SQL_SESSION_H

#include "base/map.h"
#include "sql/sql.h"

/* A temporary view: an analyzed plan, and the sources that it opened, in an arena of its own. */
struct view {
    int references; /* sessions that share it after a clone, plans made of it */
    struct arena arena;
    struct bytes name, text;
    const struct relation *plan;
};

struct sql_session {
    struct sql_environment environment;
    struct map views, global_views; /* name in small letters → struct view */
    uint32_t next_id;
};

struct view *session_view(const struct sql_session *session, struct bytes_list parts);
/* The view stays until the arena ends, with the sources that its plan reads. */
void session_hold_view(struct arena *arena, const struct view *view);
/* How errors name the search path. */
#define SQL_SEARCH_PATH "[`system`.`builtin`, `system`.`session`, `spark_catalog`.`default`]"

#endif
