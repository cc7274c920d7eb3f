"""Times the way from a put in etcd to the first connection that the new endpoint answers.

Every service chooses its endpoints by the client's address, so that one endpoint answers all connections of this client.
A put gives that endpoint another port. All endpoints are addresses of this network namespace, and one server answers for
them, with the address and port at which it was met.
"""

import base64
import http.client
import json
import os
import select
import signal
import socket
import subprocess
import time

CLIENT = "198.51.100.1"
CLUSTER_NETWORK = "10.96.0.0/12"
ENDPOINT_NETWORK = "10.128.0.0/9"
PORTS = (8080, 8081)
PATIENCE = 30
# Changes that follow each other at once are joined; this is about single ones.
PAUSE_BETWEEN_PUTS = 0.03
# Looking without a pause would take the processor from what is measured.
PAUSE_BETWEEN_LOOKS = 0.000_1


class Etcd:
    """An etcd of our own, spoken to over one connection."""

    def __init__(self, directory: str, port: int = 2379) -> None:
        self.url = f"http://127.0.0.1:{port}"
        with open(os.path.join(directory, "etcd.log"), "w") as log:
            self.child = subprocess.Popen(
                ["/usr/bin/etcd", "--data-dir", os.path.join(directory, "etcd"), "--log-level", "error"],
                stdout=log, stderr=log)
        self.connection = http.client.HTTPConnection("127.0.0.1", port)
        end = time.monotonic() + PATIENCE
        while True:
            try:
                return self.connection.connect()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.02)

    def ask(self, path: str, request: dict) -> dict:
        self.connection.request("POST", path, json.dumps(request), {"Content-Type": "application/json"})
        answer = json.load(self.connection.getresponse())
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def get(self, key: str) -> dict:
        pairs = self.ask("/v3/kv/range", {"key": encode(key)})["kvs"]
        return json.loads(base64.b64decode(pairs[0]["value"]))

    def put(self, key: str, document: dict) -> None:
        self.ask("/v3/kv/put", {"key": encode(key), "value": encode(json.dumps(document))})

    def end(self) -> None:
        self.connection.close()
        self.child.terminate()
        self.child.wait()


def encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def lay_routes() -> None:
    """Makes the endpoints' addresses our own, and gives those of services a way. A running agent would plan everything
    anew, since the node has other addresses then."""
    for command in (
        f"addr replace {CLIENT}/32 dev lo",
        f"route replace local {ENDPOINT_NETWORK} dev lo",
        f"route replace {CLUSTER_NETWORK} dev lo",
    ):
        subprocess.run(["ip", *command.split()], check=True)


def start_server() -> int:
    """Starts a process that tells each client where it was met; returns its number."""
    listeners = []
    for port in PORTS:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("", port))
        listener.listen(128)
        listeners.append(listener)
    child = os.fork()
    if child:
        for listener in listeners:
            listener.close()
        return child
    try:
        while True:
            for listener in select.select(listeners, [], [])[0]:
                client, _ = listener.accept()
                client.send("{}:{}".format(*client.getsockname()).encode())
                client.close()
    finally:
        os._exit(0)


def met(address: str, port: int = 80) -> str:
    """Connects to a service; the endpoint that answers, as ADDRESS:PORT."""
    with socket.socket() as client:
        client.settimeout(PATIENCE)
        client.bind((CLIENT, 0))
        client.connect((address, port))
        return client.recv(64).decode()


def replace_endpoint(etcd: Etcd, number: int) -> float:
    """Gives one endpoint of a service another port; returns the seconds from etcd's answer to the first connection."""
    key = f"/svcctl/services/bench/svc-{number:05}"
    document = etcd.get(key)
    service = document["clusterIPs"][0]
    before = met(service)
    address, _, port = before.rpartition(":")
    new = PORTS[1] if int(port) == PORTS[0] else PORTS[0]
    for endpoint in document["endpoints"]:
        if endpoint["address"] == address:
            endpoint["ports"] = {"http": new}
    etcd.put(key, document)
    start = time.perf_counter()
    while (now := met(service)) == before:
        if time.perf_counter() - start > PATIENCE:
            raise TimeoutError(f"{service} is still answered by {before}")
        time.sleep(PAUSE_BETWEEN_LOOKS)
    took = time.perf_counter() - start
    if now != f"{address}:{new}":
        raise RuntimeError(f"{service} was answered by {now}, not by {address}:{new}")
    return took


def measure(etcd: Etcd, services: int, puts: int) -> list[float]:
    """Seconds of each put, in services that lie apart, once there are routes."""
    server = start_server()
    try:
        times = []
        for index in range(puts):
            times.append(replace_endpoint(etcd, index * 7919 % services))
            time.sleep(PAUSE_BETWEEN_PUTS)
        return times
    finally:
        os.kill(server, signal.SIGKILL)
        os.waitpid(server, 0)
