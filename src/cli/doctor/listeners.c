#include "cli/doctor/listeners.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"

enum { STATE_LISTEN = 0x0a };

/* The kernel prints addresses as 32-bit words in the machine's order. */
static void take_address(const char *hexadecimal, char out[64]) {
    unsigned words[4] = {0};
    struct in_addr address;
    bool is_six = strlen(hexadecimal) == 32;
    for (int i = 0; i < (is_six ? 4 : 1); i++) {
        char word[9] = "";
        memcpy(word, hexadecimal + 8 * i, 8);
        words[i] = (unsigned)strtoul(word, NULL, 16);
    }
    bool is_mapped = is_six && words[0] == 0 && words[1] == 0 && words[2] == htonl(0xffff);
    bool is_all = is_six && (words[0] | words[1] | words[2] | words[3]) == 0;
    if (is_six && !is_mapped && !is_all) {
        struct in6_addr six;
        memcpy(&six, words, sizeof six);
        inet_ntop(AF_INET6, &six, out, 64);
        return;
    }
    address.s_addr = is_six ? words[3] : words[0];
    inet_ntop(AF_INET, &address, out, 64);
}

static void read_table(const char *path, struct listener_list *list) {
    char line[512], address[40], remote[80];
    unsigned port, state, user;
    unsigned long socket;
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, " %*d: %32[0-9A-F]:%x %79s %x %*s %*s %*s %u %*s %lu", address, &port, remote, &state, &user,
                &socket) != 6 ||
            state != STATE_LISTEN)
            continue;
        struct listener_entry *entry = VECTOR_ADD(list);
        *entry = (struct listener_entry){.port = (uint16_t)port, .user = user, .socket = socket};
        take_address(address, entry->address);
    }
    fclose(file);
}

/* The program's name; for a JVM or an interpreter also what it runs, which is what a person knows it by. */
static void read_name(pid_t pid, char out[64]) {
    char path[64], words[4096];
    snprintf(path, sizeof path, "/proc/%ld/cmdline", (long)pid);
    FILE *file = fopen(path, "re");
    size_t size = file == NULL ? 0 : fread(words, 1, sizeof words - 1, file);
    if (file != NULL)
        fclose(file);
    words[size] = 0;
    const char *slash = strrchr(words, '/'), *program = slash != NULL ? slash + 1 : words, *runs = "";
    for (const char *word = words + strlen(words) + 1; size > 0 && word < words + size; word += strlen(word) + 1) {
        bool takes_value = strcmp(word, "-cp") == 0 || strcmp(word, "-classpath") == 0;
        if (word[0] != '-' && word[0] != 0) {
            slash = strrchr(word, '/');
            runs = slash != NULL ? slash + 1 : word;
            break;
        }
        if (takes_value)
            word += strlen(word) + 1;
    }
    bool is_interpreter = strncmp(program, "java", 4) == 0 || strncmp(program, "python", 6) == 0;
    snprintf(out, 64, "%.24s%s%.36s", program, is_interpreter && runs[0] != 0 ? " " : "", is_interpreter ? runs : "");
}

static void find_sockets(pid_t pid, struct listener_list *list) {
    char path[64], target[64];
    snprintf(path, sizeof path, "/proc/%ld/fd", (long)pid);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        ssize_t size = readlinkat(dirfd(folder), entry->d_name, target, sizeof target - 1);
        unsigned long socket;
        target[size > 0 ? size : 0] = 0;
        if (sscanf(target, "socket:[%lu]", &socket) != 1)
            continue;
        for (size_t i = 0; i < list->count; i++)
            if (list->items[i].socket == socket && list->items[i].pid == 0) {
                list->items[i].pid = pid;
                read_name(pid, list->items[i].name);
            }
    }
    closedir(folder);
}

void listeners_read(struct listener_list *list) {
    *list = (struct listener_list){0};
    read_table("/proc/net/tcp", list);
    read_table("/proc/net/tcp6", list);
    DIR *folder = opendir("/proc");
    if (folder == NULL)
        return;
    for (struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        int64_t pid;
        if (bytes_to_int64(bytes_from_text(entry->d_name), &pid))
            find_sockets((pid_t)pid, list);
    }
    closedir(folder);
}

bool listener_takes(const struct listener_entry *entry, const char *address) {
    return strcmp(entry->address, "0.0.0.0") == 0 || strcmp(entry->address, address) == 0;
}
