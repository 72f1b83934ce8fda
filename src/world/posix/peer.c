/* peer.c: whose socket is it? The kernel's table of sockets answers by address pair: through a sock_diag request for
 * exactly that socket, or where that is not available by reading /proc/net/tcp and tcp6. */
#include "world/posix/posix.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <stdio.h>
#include <unistd.h>

static void fill_diag_address(const struct sockaddr_storage *from, __be32 address[4], __be16 *port) {
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        address[0] = in->sin_addr.s_addr;
        *port = in->sin_port;
    } else {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)from;
        memcpy(address, &in->sin6_addr, 16);
        *port = in->sin6_port;
    }
}

enum diag_result { DIAG_FOUND, DIAG_ABSENT, DIAG_UNAVAILABLE };

static enum diag_result ask_sock_diag(
    const struct sockaddr_storage *local, const struct sockaddr_storage *peer, int64_t *uid) {
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message = {
        .header = {.nlmsg_len = sizeof message, .nlmsg_type = SOCK_DIAG_BY_FAMILY, .nlmsg_flags = NLM_F_REQUEST},
        .request = {.sdiag_family = (uint8_t)local->ss_family,
            .sdiag_protocol = IPPROTO_TCP,
            .idiag_states = UINT32_MAX},
    };
    fill_diag_address(local, message.request.id.idiag_src, &message.request.id.idiag_sport);
    fill_diag_address(peer, message.request.id.idiag_dst, &message.request.id.idiag_dport);
    message.request.id.idiag_cookie[0] = message.request.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;

    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (netlink < 0)
        return DIAG_UNAVAILABLE;
    union {
        struct nlmsghdr header;
        char bytes[4096];
    } answer;
    ssize_t size = -1;
    if (send(netlink, &message, sizeof message, 0) == (ssize_t)sizeof message)
        size = recv(netlink, &answer, sizeof answer, 0); /* the kernel answers within send */
    close(netlink);
    if (size < (ssize_t)sizeof answer.header || !NLMSG_OK(&answer.header, (size_t)size))
        return DIAG_UNAVAILABLE;
    if (answer.header.nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *failure = NLMSG_DATA(&answer.header);
        /* ENOENT also stands for a kernel without the tcp_diag module: the caller's second source decides. */
        return failure->error == 0 ? DIAG_ABSENT : DIAG_UNAVAILABLE;
    }
    if (answer.header.nlmsg_type != SOCK_DIAG_BY_FAMILY)
        return DIAG_UNAVAILABLE;
    const struct inet_diag_msg *found = NLMSG_DATA(&answer.header);
    *uid = found->idiag_uid;
    return DIAG_FOUND;
}

/* "0100007F:1F90" in the table: 32-bit words in the machine's byte order, port in hexadecimal. */
static void format_table_address(const struct sockaddr_storage *address, bool as_ipv6, char out[48]) {
    uint32_t words[4] = {0};
    uint16_t port;
    if (address->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)address;
        port = ntohs(in->sin_port);
        if (!as_ipv6) {
            snprintf(out, 48, "%08" PRIX32 ":%04X", in->sin_addr.s_addr, port);
            return;
        }
        words[2] = htonl(0xffff);
        words[3] = in->sin_addr.s_addr;
    } else {
        const struct sockaddr_in6 *in = (const struct sockaddr_in6 *)address;
        port = ntohs(in->sin6_port);
        memcpy(words, &in->sin6_addr, sizeof words);
    }
    snprintf(out, 48, "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 "%08" PRIX32 ":%04X", words[0], words[1], words[2],
        words[3], port);
}

static int64_t search_table(const char *path, const char *local, const char *peer) {
    FILE *table = fopen(path, "re");
    if (table == NULL)
        return -1;
    char line[512];
    int64_t uid = -1;
    while (uid < 0 && fgets(line, sizeof line, table) != NULL) {
        char line_local[48], line_peer[48];
        unsigned int line_uid;
        /* sl local remote state tx:rx tr:when retransmit uid … */
        if (sscanf(line, " %*u: %47s %47s %*s %*s %*s %*s %u", line_local, line_peer, &line_uid) == 3 &&
            strcmp(line_local, local) == 0 && strcmp(line_peer, peer) == 0)
            uid = line_uid;
    }
    fclose(table);
    return uid;
}

int64_t posix_socket_owner(const struct sockaddr_storage *local, const struct sockaddr_storage *peer) {
    int64_t uid = -1;
    if (ask_sock_diag(local, peer, &uid) == DIAG_FOUND)
        return uid;
    char local_text[48], peer_text[48];
    if (local->ss_family == AF_INET) {
        format_table_address(local, false, local_text);
        format_table_address(peer, false, peer_text);
        uid = search_table("/proc/net/tcp", local_text, peer_text);
        if (uid >= 0)
            return uid;
    }
    /* Java and others use an IPv6 socket for IPv4 too. */
    format_table_address(local, true, local_text);
    format_table_address(peer, true, peer_text);
    return search_table("/proc/net/tcp6", local_text, peer_text);
}
