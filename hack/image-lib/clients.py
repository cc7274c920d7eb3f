#!/usr/bin/env python3
"""Uses services without a pause, and tells what failed: clients.py server PORT ADDRESS..., or clients.py client TARGET...

The server sends back each line that it gets. The client makes one connection after another to each TARGET, host/port/source,
and has one more there that it keeps; until its standard input ends, when it prints what it counted as JSON. Each target has
a source address of its own: with IPVS, connections from one address and port to two services can get into each other's way.
"""

import collections
import json
import socket
import socketserver
import sys
import threading
import time

PATIENCE = 5


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    request_queue_size = 128
    allow_reuse_address = True


class Server6(Server):
    address_family = socket.AF_INET6


def serve(port, addresses):
    servers = [(Server6 if ":" in address else Server)((address, int(port)), Echo) for address in addresses]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", flush=True)
    threading.Event().wait()


def connection_to(target):
    host, port, source = target.split("/")
    return socket.create_connection((host, int(port)), PATIENCE, (source, 0))


def ask(connection):
    connection.sendall(b"hello\n")
    if connection.recv(16) != b"hello\n":
        raise OSError("no answer")


class Clients:
    def __init__(self, targets):
        self.ended = threading.Event()
        self.counted = collections.Counter()
        self.failures = []
        self.threads = []
        for target in targets:
            for work in [self.again_and_again, self.keep]:
                self.threads.append(threading.Thread(target=self.run, args=(work, target)))

    def run(self, work, target):
        try:
            work(target)
        except OSError as error:
            self.failures.append(f"{time.time():.3f} {work.__name__} {target}: {error}")

    def again_and_again(self, target):
        while not self.ended.wait(0.02):
            try:
                with connection_to(target) as connection:
                    ask(connection)
                self.counted["connections"] += 1
            except OSError as error:
                self.failures.append(f"{time.time():.3f} {target}: {error}")

    def keep(self, target):
        with connection_to(target) as connection:
            while not self.ended.wait(0.02):
                ask(connection)
                self.counted["questions"] += 1


def use(targets):
    clients = Clients(targets)
    for thread in clients.threads:
        thread.start()
    sys.stdin.read()
    clients.ended.set()
    for thread in clients.threads:
        thread.join()
    print(json.dumps({**clients.counted, "failures": clients.failures[:20]}))


if __name__ == "__main__":
    if sys.argv[1] == "server":
        serve(sys.argv[2], sys.argv[3:])
    else:
        use(sys.argv[2:])
