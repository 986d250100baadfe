"""Open connections from inside another network namespace, and hand them out: python dialer.py FD.

FD is a unix socket (SOCK_SEQPACKET). A message is JSON {"address", "port", "timeout_s"} with one descriptor: a socket
for the answer, which is the connected socket as a descriptor (SCM_RIGHTS, unix(7)), or words that say why there is
none. It runs as a plain script, so it imports nothing of the package; it ends when FD is closed.
"""

import contextlib
import json
import os
import socket
import sys
import threading

LONGEST_MESSAGE = 4096


def answer(asked: bytes, reply: socket.socket) -> None:
    """One connection, or the reason why not."""
    with reply, contextlib.suppress(OSError):
        try:
            wanted = json.loads(asked)
            address = (str(wanted["address"]), int(wanted["port"]))
            with socket.create_connection(address, timeout=float(wanted["timeout_s"])) as made:
                made.settimeout(None)
                socket.send_fds(reply, [b"connected"], [made.fileno()])
        except (OSError, ValueError, KeyError) as error:
            reply.send(str(error)[:LONGEST_MESSAGE].encode() or b"refused")


def main(argv: list[str]) -> int:
    line = socket.socket(fileno=int(argv[0]))
    line.send(b"ready")
    while True:
        asked, handles, _, _ = socket.recv_fds(line, LONGEST_MESSAGE, 4)
        if not asked:
            return 0
        for spare in handles[1:]:
            os.close(spare)
        if handles:
            reply = socket.socket(fileno=handles[0])
            threading.Thread(target=answer, args=(asked, reply), daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
