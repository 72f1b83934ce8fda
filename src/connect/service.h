/* service.h: the table of the service's methods, for server.c, and calls between service.c, session.c and operation.c.
 */
#ifndef CONNECT_SERVICE_H
#define CONNECT_SERVICE_H

#include "connect/connect_internal.h"

extern const struct grpc_method service_methods[];
extern const size_t service_method_count;

/* Takes the session out of the table (its reference is released) and remembers its id as closed. */
void service_forget_session(struct session *session);
/* Settings, views and artifacts of `from` for a session just made. */
void session_copy(struct session *to, struct session *from);
/* Makes the answers after last_response_id the next ones to send (NULL: from the first kept); false when they are gone.
 */
bool connect_operation_rewind(struct operation *operation, const char *last_response_id);
/* Frees the answers up to and including that one. */
void connect_operation_release_until(struct operation *operation, const char *response_id);

#endif
