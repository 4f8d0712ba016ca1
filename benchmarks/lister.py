"""A client that asks for the same again and again, as fast as it can, and looks at nothing: PORT PATH ACCEPT ENCODING."""

import socket
import sys


def main(port: int, path: str, accept: str, encoding: str) -> None:
    head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: {accept}\r\nAccept-Encoding: {encoding}\r\n"
    room = bytearray(1 << 20)
    while True:
        with socket.create_connection(("127.0.0.1", port)) as there:
            there.sendall(f"{head}Connection: close\r\n\r\n".encode())
            while there.recv_into(room):
                pass


if __name__ == "__main__":
    main(int(sys.argv[1]), *sys.argv[2:])
