/* tool_hdfs.h: one run of `hdfs dfs -COMMAND …`; shared by tool_hdfs*.c. Output and messages are those of Hadoop's
 * shell. */
#ifndef CLI_TOOL_HDFS_H
#define CLI_TOOL_HDFS_H

#include <stdbool.h>
#include <stdio.h>
#include "base/vector.h"
#include "cli/hdfs/hdfs_client.h"

struct shell {
    struct hdfs_client client;
    bool is_connected;
    struct arena arena;    /* of the whole run */
    char default_uri[320]; /* fs.defaultFS: "hdfs://namenode:9000" */
    bool default_is_own;   /* it is that of the Raudal found, not of an option */
    char user[64];
    const struct shell_command *command;
    const char *name; /* of the command as it was written, without its hyphen */
    int status;       /* exit status so far */
};

/* A path of the command line, or found below one. */
struct shell_item {
    const char *shown;              /* as messages and listings name it */
    const char *path;               /* absolute, in the store */
    Hadoop__HdfsFileStatus *status; /* NULL: does not exist */
};
struct shell_items {
    struct shell_item *items;
    size_t count, capacity;
};

typedef void shell_function(struct shell *shell, int count, char **words);
struct shell_command {
    const char *name;
    const char *usage; /* after the name, as Hadoop prints it */
    shell_function *run;
    const char *help; /* one sentence */
};

/* One option of a command: present, or with the word that follows it. */
struct shell_option {
    const char *name; /* without the hyphen */
    bool *is_set;
    const char **value; /* NULL: takes none */
};

/* ---- tool_hdfs.c ---- */

/* Takes options from the front; checks the count of what is left. -1 after a usage error (the status is set), else the
 * index of the first word that is no option. */
int shell_options(struct shell *shell, int count, char **words, const struct shell_option *options, size_t option_count,
    int least, int most);
/* "-ls: message", the whole usage, the command's usage; status 255. */
void shell_usage_error(struct shell *shell, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Which NameNode and user, before any option. */
void shell_init(struct shell *shell);
/* Takes -fs, -D and their like from the front; the index of the first other word. */
int shell_generic_options(struct shell *shell, int count, char **words);
/* Connects when needed; on failure prints why and ends the program. */
void shell_connect(struct shell *shell, const char *authority);
extern const struct shell_command shell_commands[];
extern const size_t shell_command_count;

/* ---- tool_hdfs_paths.c ---- */

/* "ls: message"; status 1. */
void shell_error(struct shell *shell, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* "ls: `PATH': No such file or directory" and the like. */
void shell_path_error(struct shell *shell, const char *shown, const char *what);
/* The same with the whole URI behind. */
void shell_parent_error(struct shell *shell, const struct shell_item *item);
/* The first line of what the server said; prefix may be NULL. */
void shell_failed(struct shell *shell, const char *prefix);
/* hdfs://… of a path. */
const char *shell_uri(struct shell *shell, const char *path);
bool shell_is_directory(const struct shell_item *item);
/* Reads the status again. false after an error that was printed. */
bool shell_refresh(struct shell *shell, struct shell_item *item);
/* The item that a word names, no wildcards. */
bool shell_item(struct shell *shell, const char *word, struct shell_item *item);
/* Adds what a word stands for; a word that matches nothing is an error that is printed. */
void shell_expand(struct shell *shell, const char *word, struct shell_items *items);
void shell_expand_all(struct shell *shell, int count, char **words, struct shell_items *items);
/* A child of a directory. */
struct shell_item shell_child(struct shell *shell, const struct shell_item *parent, const char *name);
/* All children. false after an error that was printed. */
bool shell_children(struct shell *shell, const struct shell_item *directory, struct shell_items *children);
/* The parent exists and is a directory. */
bool shell_parent_exists(struct shell *shell, const struct shell_item *item);
const char *shell_base_name(const char *path);
/* "3.8 K" when human, else the number. */
const char *shell_size(struct shell *shell, int64_t size, bool human);

#define SHELL_CALL(shell, Kind, kind, method, request)                                                                 \
    ((Hadoop__##Kind##Response *)hdfs_client_call(                                                                     \
        &(shell)->client, &(shell)->arena, (method), &(request).base, &hadoop__##kind##_response__descriptor))

/* Sets or copies for several files. */
bool shell_content_summary(struct shell *shell, const struct shell_item *item, Hadoop__ContentSummary **summary);
bool shell_delete(struct shell *shell, const char *path, bool recursive, bool *deleted);
bool shell_rename(struct shell *shell, const char *from, const char *to, bool *renamed);
bool shell_mkdirs(struct shell *shell, const char *path, bool with_parents);
bool shell_set_times(struct shell *shell, const char *path, int64_t modified_ms, int64_t accessed_ms);

/* ---- tool_hdfs_admin.c: exit status ---- */

int shell_admin(int count, char **words);
int shell_fsck(int count, char **words);

/* ---- the commands ---- */

shell_function shell_ls, shell_du, shell_df, shell_count, shell_stat, shell_test, shell_find, shell_checksum,
    shell_getfacl, shell_getfattr;
shell_function shell_cat, shell_head, shell_tail, shell_text, shell_get, shell_getmerge, shell_put,
    shell_move_from_local, shell_cp, shell_append_to_file, shell_touch, shell_touchz;
shell_function shell_mkdir, shell_rm, shell_rmdir, shell_mv, shell_chmod, shell_chown, shell_chgrp, shell_setrep,
    shell_truncate, shell_concat, shell_setfattr, shell_setfacl, shell_snapshot, shell_expunge, shell_move_to_local;

#endif
