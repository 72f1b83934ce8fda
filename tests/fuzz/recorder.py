"""A proxy between real clients and a Raudal that keeps what the clients send, one byte string per connection."""
import contextlib
import select
import socket
import threading


class Recorder:
    """Forwards ports of `address` to the same ports of `target`. streams[port] is the list of recorded connections."""

    def __init__(self, address, target, ports):
        self.target, self.streams, self.listeners = target, {port: [] for port in ports}, []
        self.stopped = False
        for port in ports:
            listener = socket.create_server((address, port), backlog=64)
            self.listeners.append(listener)
            threading.Thread(target=self.accept, args=(listener, port), daemon=True).start()

    def accept(self, listener, port):
        while not self.stopped:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self.forward, args=(client, port), daemon=True).start()

    def forward(self, client, port):
        recorded = bytearray()
        self.streams[port].append(recorded)
        with contextlib.suppress(OSError), client, socket.create_connection((self.target, port)) as server:
            other = {client: server, server: client}
            open_ends = [client, server]
            while open_ends:
                ready, _, _ = select.select(open_ends, [], [], 60)
                if not ready:
                    return
                for source in ready:
                    data = source.recv(65536)
                    if not data:                    # only this direction has ended; hdfs-native still waits for answers
                        open_ends.remove(source)
                        other[source].shutdown(socket.SHUT_WR)
                        continue
                    if source is client and len(recorded) < 200_000:
                        recorded += data
                    other[source].sendall(data)

    def close(self):
        self.stopped = True
        for listener in self.listeners:
            listener.close()


def mutate(data, random):
    """One of the small damages that matter to a parser of lengths, counts and tags."""
    data = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 5))):
        if not data:
            break
        at = random.randrange(len(data))
        kind = random.randrange(7)
        if kind == 0:
            data[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            data[at] = random.choice((0, 1, 0x7f, 0x80, 0xff))
        elif kind == 2:
            data[at:at + 4] = random.choice((0x7fffffff, 0xffffffff, 0, 0x80000000)).to_bytes(4, "big")
        elif kind == 3:
            del data[at:at + random.choice((1, 2, 4, 16))]
        elif kind == 4:
            data[at:at] = data[at:at + random.choice((1, 2, 4, 16))]
        elif kind == 5:
            del data[at:]
        else:
            data[at:at + 5] = b"\xff\xff\xff\xff\x0f"          # the longest varint of 32 bits
    return bytes(data)
