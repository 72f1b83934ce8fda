/* lab.h: what JupyterLab needs in the data folder.
 *
 *   DIR/run/jupyter.token     mode 0600; kept, so that a bookmark stays good; empty: no token is asked for
 *   DIR/run/jupyter/config    jupyter_server_config.json (address, port, root folder; never the token)
 *   DIR/run/jupyter/share     the kernel `python3`: like `raudal shell`, by way of `raudal kernel start`
 *   DIR/run/jupyter/root      links to sessions and datasets, for where /home/jovyan cannot be shown
 *   DIR/run/jupyter/runtime   Jupyter's own connection files
 *
 * and in the folder sessions our exercises, in datasets a small set of sensor readings: copied when they are not there,
 * never overwritten. */
#ifndef CLI_LAB_LAB_H
#define CLI_LAB_LAB_H

#include "cli/instance.h"

struct lab {
    const struct instance *instance;
    char interpreter[PATH_MAX]; /* has jupyterlab and ipykernel */
    uint16_t port;
};

/* Writes the token file. setting: that of jupyter.token ("" keeps the present token or makes a random one, "none" asks
 * for none, else the token). */
bool lab_set_token(const char *data, const char *setting, struct error *error);
/* Makes the volumes' folders and puts the exercises and the data set there. */
bool lab_lay_out_folders(const struct instance *instance, struct error *error);
/* Writes configuration and kernel; call it where the volumes are mounted, if they can be. root gets the folder that
 * JupyterLab shows. */
bool lab_lay_out(const struct lab *lab, char root[PATH_MAX], struct error *error);
/* Writes kernel.json into folder: a kernel of `interpreter` on that data folder, started by the binary at raudal. */
bool lab_write_kernel(const char *folder, const char *raudal, const char *data, const char *interpreter,
    const char *display_name, struct error *error);
/* Puts the folder of a virtual environment's interpreter first on PATH, as when it is active. */
void lab_activate(const char *interpreter);
/* Puts JupyterLab's variables into the environment of this process. */
void lab_set_environment(const struct lab *lab);
/* mkdir -p */
bool lab_make_folder(const char *path, struct error *error);
/* Path of this binary. */
bool lab_own_path(char path[PATH_MAX], struct error *error);

#endif
