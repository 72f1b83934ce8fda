/* volumes.h: folders of the machine that programs know under a path of their container: /home/jovyan/sessions and
 * /home/jovyan/datasets unless the setting raudal.volumes (which a compose file's volumes become) says otherwise.
 * Spark's readers and writers find them through the store (store_options.volumes); Python's open() in a program that
 * Raudal starts finds them by a bind mount in the program's own mount namespace.
 *
 * Between processes they travel as text, one "CONTAINER=FOLDER" per line, both absolute. */
#ifndef CLI_VOLUMES_H
#define CLI_VOLUMES_H

#include "base/error.h"
#include "store/store.h"

enum { VOLUME_COUNT_MAX = 16, VOLUMES_TEXT_SIZE = 16384 };

/* The setting's value as lines. An empty value gives sessions and datasets: in the data folder, or beside it when the
 * data folder is a project's .raudal. Relative folders are those of the project or of the data folder. with_home:
 * /home/jovyan itself is DATA/home unless the value names it, so that what is made there is kept; not where the machine
 * has a /home/jovyan of its own. It comes last: the first volume that a path lies in counts. */
bool volumes_from_setting(
    const char *value, const char *data, bool with_home, char text[VOLUMES_TEXT_SIZE], struct error *error);
/* Whether the machine has no /home/jovyan. Not inside a program that sees ours. */
bool volumes_home_is_free(void);
/* The lines as the store wants them; strings point into *copy, which the caller frees. */
size_t volumes_parse(const char *text, struct store_volume volumes[VOLUME_COUNT_MAX], char **copy);
/* The machine's folder for a container path that is a volume itself; false when it is none. */
bool volumes_find(const char *text, const char *container_path, char *folder, size_t size);
/* In a mount namespace of our own: makes each existing folder visible under its container path. A container path that
 * the machine does not have is made without touching the machine: its nearest existing parent is covered by a small
 * file system in memory, into which everything that was there is bound again. */
bool volumes_mount(const char *text, struct error *error);

#endif
