"""usage: server.py ADDRESS PORT: greets everybody who connects."""

import socket
import sys

listener = socket.create_server((sys.argv[1], int(sys.argv[2])), backlog=128)
while True:
    connection, _ = listener.accept()
    try:
        connection.sendall(b"hello")
        connection.close()
    except OSError:
        pass
