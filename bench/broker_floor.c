/* broker_floor.c: what no broker can do without: receive record batches, check their CRC-32C, write them to a file.
 * Nothing else is done with them. bench/broker.py divides the broker's processor time by this one.
 *
 *   broker_floor FILE BATCH_SIZE TOTAL_SIZE     prints the processor seconds that this took
 *
 * A child sends over loopback TCP; its time does not count. Like the broker, the receiver reads into memory of the
 * size of a request and writes each batch with one call. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wire/crc32c.h"

static void check(int result, const char *what) {
    if (result < 0) {
        perror(what);
        exit(1);
    }
}

static void send_all(const struct sockaddr_in *to, size_t batch_size, size_t total) {
    int descriptor = socket(AF_INET, SOCK_STREAM, 0);
    check(connect(descriptor, (const struct sockaddr *)to, sizeof *to), "connect");
    char *batch = calloc(1, batch_size);
    while (total > 0) {
        size_t size = batch_size < total ? batch_size : total;
        for (size_t sent = 0; sent < size;) {
            ssize_t count = write(descriptor, batch + sent, size - sent);
            check((int)(count < 0 ? -1 : 0), "write");
            sent += (size_t)count;
        }
        total -= size;
    }
    _exit(0);
}

static double used_s(void) {
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

int main(int argc, char **argv) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t address_size = sizeof address;
    if (argc != 4) {
        fprintf(stderr, "usage: %s FILE BATCH_SIZE TOTAL_SIZE\n", argv[0]);
        return 2;
    }
    size_t batch_size = strtoull(argv[2], NULL, 10), total = strtoull(argv[3], NULL, 10);
    int listener = socket(AF_INET, SOCK_STREAM, 0), file = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0644);
    check(bind(listener, (struct sockaddr *)&address, sizeof address), "bind");
    check(listen(listener, 1), "listen");
    check(getsockname(listener, (struct sockaddr *)&address, &address_size), "getsockname");
    check(file, argv[1]);
    if (fork() == 0)
        send_all(&address, batch_size, total);
    int descriptor = accept(listener, NULL, NULL);
    check(descriptor, "accept");
    unsigned char *batch = malloc(batch_size);
    unsigned sum = 0;
    off_t at = 0;
    double before = used_s();
    for (size_t left = total; left > 0;) {
        size_t size = batch_size < left ? batch_size : left, got = 0;
        while (got < size) {
            ssize_t count = read(descriptor, batch + got, size - got);
            check((int)(count <= 0 ? -1 : 0), "read");
            got += (size_t)count;
        }
        sum ^= crc32c(0, batch, size);
        check((int)(pwrite(file, batch, size, at) == (ssize_t)size ? 0 : -1), "write");
        at += (off_t)size;
        left -= size;
    }
    printf("%.4f %08x\n", used_s() - before, sum);
    wait(NULL);
    return 0;
}
