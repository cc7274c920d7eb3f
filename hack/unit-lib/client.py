"""usage: client.py ADDRESS PORT LOG: connects ten times a second, and writes a line for each connection: "ok", or why not."""

import datetime
import socket
import sys
import time

address, port, log = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def connect():
    try:
        with socket.create_connection((address, port), timeout=10) as connection:
            answer = connection.recv(100)
            return "ok" if answer == b"hello" else f"got {answer}"
    except OSError as error:
        return str(error) or type(error).__name__


with open(log, "a", buffering=1) as lines:
    while True:
        result = connect()
        lines.write("ok\n" if result == "ok" else f"{datetime.datetime.now()} {result}\n")
        time.sleep(0.1)
