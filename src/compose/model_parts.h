/* model_parts.h: the parts of a service that have forms of their own. Inside compose/ only. */
#ifndef COMPOSE_MODEL_PARTS_H
#define COMPOSE_MODEL_PARTS_H

#include "compose/model.h"

/* A path of the file, absolute: relative ones are below the file's folder, ~ is the caller's HOME. */
const char *model_path(struct model *model, const char *path);
/* A list of texts; a single text is a list of one. `key` names it in errors; a NULL node gives none. */
bool model_read_texts(struct model *model, const struct yaml_node *node, const char *key, struct model_words *texts);
/* The same, or the keys of a mapping (depends_on with conditions). */
bool model_read_names_of(struct model *model, const struct yaml_node *node, const char *key, struct model_words *names);
/* `command` or `entrypoint`: a list, or a text that is split as a shell would. */
bool model_read_words(struct model *model, struct model_service *service, const char *key, struct model_words *words);
/* Splits a line at blanks, with quotes and backslashes as a shell has them; what no blank ends at the end counts. */
void model_split_words(struct arena *arena, const char *line, struct model_words *words);
bool model_read_ports(struct model *model, struct model_service *service);
bool model_read_volumes(struct model *model, struct model_service *service);

#endif
