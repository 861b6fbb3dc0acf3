#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""A name server for clients on loopback.

    names.py PORT

Of 127.A.B.C with C divisible by 4 there is no name.  For the next after such
a one there is a name that belongs to another address, which nobody ought to
believe.  All others are cA-B-C.names.test, and that leads back to them.  Says
ready when it answers; over UDP only, as all answers are short.
"""

import re
import socket
import struct
import sys

PTR, A, IN = 12, 1, 1
TTL = 60
NOERROR, NXDOMAIN = 0, 3


def encode(name):
    return b"".join(bytes([len(l)]) + l.encode()
                    for l in name.split(".")) + b"\0"


def decode(query, at):
    """The name there, in lower case, and what comes behind it."""
    labels = []
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1"))
        at += 1 + query[at]
    return ".".join(labels).lower(), at + 1


def name_of(a, b, c):
    """None if it has none."""
    if c % 4 == 0:
        return None
    return "c%d-%d-%d.names.test" % (a, b, c + (c % 4 == 1))


def confirmed(address):
    """The name that a server which looks well has for a client."""
    a, b, c = map(int, address.split(".")[1:])
    return name_of(a, b, c) if c % 4 > 1 else "[UNAVAILABLE]"


def look_up(name, kind):
    """The answer's octets; None for no such name, empty for no such data."""
    m = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)\.127\.in-addr\.arpa", name)
    if m:
        found = name_of(*map(int, m.groups()[::-1]))
        if found is None:
            return None
        return encode(found) if kind == PTR else b""
    m = re.fullmatch(r"c(\d+)-(\d+)-(\d+)\.names\.test", name)
    if m:
        return bytes([127, *map(int, m.groups())]) if kind == A else b""
    return None


def answer(query):
    (ident, flags, questions) = struct.unpack(">HHH", query[:6])
    if flags & 0x8000 or questions != 1:
        return None
    name, at = decode(query, 12)
    kind, = struct.unpack(">H", query[at:at + 2])
    data = look_up(name, kind)
    # Recursion is there if it was wanted.
    flags = 0x8480 | flags & 0x100 | (NXDOMAIN if data is None else NOERROR)
    head = struct.pack(">HHHHHH", ident, flags, 1, 1 if data else 0, 0, 0)
    record = b""
    if data:
        record = struct.pack(">HHHIH", 0xc00c, kind, IN, TTL,
                             len(data)) + data
    return head + query[12:at + 4] + record


def main():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
    s.bind(("127.0.0.1", int(sys.argv[1])))
    print("ready", flush=True)
    while True:
        query, source = s.recvfrom(4096)
        try:
            reply = answer(query)
        except (struct.error, IndexError, ValueError):
            continue
        if reply is not None:
            s.sendto(reply, source)


if __name__ == "__main__":
    main()
