/* resolver.c: a shared library that a program is started with (LD_PRELOAD) where the kernel gives it no /etc/hosts of
 * its own: it answers the names of RAUDAL_HOSTS, a file of the form of /etc/hosts, and leaves everything else to the C
 * library. A name of ours is handed on as its numeric address, so that the C library makes the answer in its own form.
 *
 * It is linked with nothing: what it needs is found in the program's own C library, whichever that is. Only the first
 * bytes of the file are read; our names come first there. Programs that ask no C library (statically linked ones, or
 * with a resolver of their own that reads /etc/hosts) see nothing of it. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

enum { FILE_SIZE_MAX = 8192, NAME_SIZE = 256, ADDRESS_SIZE = 48 };

/* ---- the file ---- */

static ssize_t read_hosts(char text[FILE_SIZE_MAX]) {
    const char *path = getenv("RAUDAL_HOSTS");
    int descriptor = path == NULL ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return 0;
    ssize_t size = 0, count;
    while (size < FILE_SIZE_MAX - 1 && (count = read(descriptor, text + size, (size_t)(FILE_SIZE_MAX - 1 - size))) > 0)
        size += count;
    close(descriptor);
    text[size] = 0;
    return size;
}

/* The next word of a line, ended with a NUL in place; NULL at the line's end. *at is behind it. */
static char *next_word(char **at) {
    char *word = *at + strspn(*at, " \t\r");
    if (*word == 0 || *word == '#')
        return NULL;
    size_t size = strcspn(word, " \t\r#");
    *at = word + size + (word[size] != 0);
    word[size] = 0;
    return word;
}

/* Looks for a name (giving its address) or an address (giving its first name). Only IPv4 loopback lines count: those
 * are ours. `localhost` is ours only in the first line, where a service's view of it stands. */
static int look(const char *name, const char *address, char found[NAME_SIZE]) {
    char text[FILE_SIZE_MAX];
    int line_number = 0;
    if (read_hosts(text) == 0)
        return 0;
    for (char *line = text; line != NULL && *line != 0; line_number++) {
        char *end = strchr(line, '\n'), *at = line;
        if (end != NULL)
            *end = 0;
        char *line_address = next_word(&at), *first = NULL, *word;
        int is_ours = line_address != NULL && strncmp(line_address, "127.", 4) == 0;
        while (is_ours && (word = next_word(&at)) != NULL) {
            int is_localhost = strcasecmp(word, "localhost") == 0 && line_number > 0;
            first = first == NULL ? word : first;
            const char *answer = NULL;
            if (name != NULL && !is_localhost && strcasecmp(word, name) == 0)
                answer = line_address;
            else if (address != NULL && !is_localhost && strcmp(line_address, address) == 0)
                answer = first;
            if (answer != NULL && strlen(answer) < NAME_SIZE) {
                memcpy(found, answer, strlen(answer) + 1);
                return 1;
            }
        }
        line = end == NULL ? NULL : end + 1;
    }
    return 0;
}

static int find_address(const char *name, char address[NAME_SIZE]) {
    return name != NULL && name[0] != 0 && look(name, NULL, address);
}

/* The name of one of our addresses. */
static int find_name(const void *address, int family, char name[NAME_SIZE]) {
    char text[ADDRESS_SIZE];
    return address != NULL && family == AF_INET && inet_ntop(AF_INET, address, text, sizeof text) != NULL &&
           look(NULL, text, name);
}

/* ---- the C library's own ---- */

extern void *dlsym(void *handle, const char *name) __attribute__((weak));

static void *next(const char *name) {
    return dlsym == NULL ? NULL : dlsym(RTLD_NEXT, name);
}

#define NEXT(function) ((__typeof__(&function))next(#function))

/* ---- what is answered ---- */

EXPORT int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
    char address[NAME_SIZE];
    __typeof__(&getaddrinfo) real = NEXT(getaddrinfo);
    if (real == NULL)
        return EAI_SYSTEM;
    return real(find_address(node, address) ? address : node, service, hints, found);
}

EXPORT int getnameinfo(const struct sockaddr *place, socklen_t place_size, char *host, socklen_t host_size,
    char *service, socklen_t service_size, int flags) {
    char name[NAME_SIZE];
    __typeof__(&getnameinfo) real = NEXT(getnameinfo);
    if (real == NULL)
        return EAI_SYSTEM;
    int is_ours = place != NULL && place->sa_family == AF_INET && host != NULL && host_size > 0 &&
                  (flags & NI_NUMERICHOST) == 0 &&
                  find_name(&((const struct sockaddr_in *)place)->sin_addr, AF_INET, name);
    if (!is_ours)
        return real(place, place_size, host, host_size, service, service_size, flags);
    if (strlen(name) >= host_size)
        return EAI_OVERFLOW;
    memcpy(host, name, strlen(name) + 1);
    return service == NULL || service_size == 0
               ? 0
               : real(place, place_size, NULL, 0, service, service_size, flags & ~NI_NAMEREQD);
}

static struct hostent *with_name(struct hostent *found, const char *name) {
    static char kept[NAME_SIZE]; /* as the C library's own answer: until the next call */
    if (found != NULL && strlen(name) < sizeof kept) {
        memmove(kept, name, strlen(name) + 1);
        found->h_name = kept;
    }
    return found;
}

EXPORT struct hostent *gethostbyname(const char *name) {
    char address[NAME_SIZE];
    __typeof__(&gethostbyname) real = NEXT(gethostbyname);
    if (real == NULL)
        return NULL;
    return find_address(name, address) ? with_name(real(address), name) : real(name);
}

EXPORT struct hostent *gethostbyname2(const char *name, int family) {
    char address[NAME_SIZE];
    __typeof__(&gethostbyname2) real = NEXT(gethostbyname2);
    if (real == NULL)
        return NULL;
    if (family == AF_INET && find_address(name, address))
        return with_name(real(address, family), name);
    return real(name, family);
}

/* The name goes to the end of the caller's memory. */
static int keep_name(struct hostent *result, char *tail, const char *name, int status, struct hostent **found) {
    if (status == 0 && *found != NULL) {
        memcpy(tail, name, strlen(name) + 1);
        result->h_name = tail;
    }
    return status;
}

EXPORT int gethostbyname2_r(const char *name, int family, struct hostent *result, char *memory, size_t size,
    struct hostent **found, int *problem) {
    char address[NAME_SIZE];
    __typeof__(&gethostbyname2_r) real = NEXT(gethostbyname2_r);
    if (real == NULL)
        return 38; /* ENOSYS */
    size_t name_size = name == NULL ? 0 : strlen(name) + 1;
    if (family != AF_INET || size <= name_size || !find_address(name, address))
        return real(name, family, result, memory, size, found, problem);
    return keep_name(result, memory + size - name_size, name,
        real(address, family, result, memory, size - name_size, found, problem), found);
}

EXPORT int gethostbyname_r(
    const char *name, struct hostent *result, char *memory, size_t size, struct hostent **found, int *problem) {
    char address[NAME_SIZE];
    __typeof__(&gethostbyname_r) real = NEXT(gethostbyname_r);
    if (real == NULL)
        return 38;
    if (find_address(name, address))
        return gethostbyname2_r(name, AF_INET, result, memory, size, found, problem);
    return real(name, result, memory, size, found, problem);
}

EXPORT struct hostent *gethostbyaddr(const void *address, socklen_t size, int family) {
    char name[NAME_SIZE];
    __typeof__(&gethostbyaddr) real = NEXT(gethostbyaddr);
    if (find_name(address, family, name))
        return gethostbyname(name);
    return real == NULL ? NULL : real(address, size, family);
}

EXPORT int gethostbyaddr_r(const void *address, socklen_t address_size, int family, struct hostent *result,
    char *memory, size_t size, struct hostent **found, int *problem) {
    char name[NAME_SIZE];
    __typeof__(&gethostbyaddr_r) real = NEXT(gethostbyaddr_r);
    if (find_name(address, family, name))
        return gethostbyname2_r(name, AF_INET, result, memory, size, found, problem);
    return real == NULL ? 38 : real(address, address_size, family, result, memory, size, found, problem);
}
