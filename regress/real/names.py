#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""A name server for clients on loopback.

    names.py PORT

Of 127.A.B.C with C divisible by 4 there is no name.  For the next after such
a one there is a name that belongs to another address, which nobody ought to
believe.  All others are cA-B-C.names.test, and that leads back to them.  What
else there is stands in RECORDS, and nothing can be told of fails.test.  Says
ready when it answers; over UDP only, as all answers are short.
"""

import re
import socket
import struct
import sys

PTR, A, MX, TXT, IN = 12, 1, 15, 16, 1
TTL = 60
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3


def encode(name):
    return b"".join(bytes([len(l)]) + l.encode()
                    for l in name.split(".")) + b"\0"


def text(words):
    return bytes([len(words)]) + words.encode()


RECORDS = {
    "one.test": {
        A: [bytes([192, 0, 2, 1]), bytes([192, 0, 2, 2])],
        MX: [b"\0\x14" + encode("b.one.test"), b"\0\x0a" + encode("a.one.test")],
        TXT: [text("v=spf1 -all")],
    },
    # smtp.foo.com is that of a page of Momentum's.
    "smtp.foo.com": {A: [bytes([127, 0, 0, 25])]},
    # Blocklists: of 127.0.0.6 and 127.0.0.10, and one that does not answer.
    "6.0.0.127.bl.example.net": {
        A: [bytes([127, 0, 0, 2]), bytes([127, 0, 0, 4])],
        TXT: [text("a bad one")],
    },
    "10.0.0.127.zen.example.org": {A: [bytes([127, 255, 255, 254])]},
}


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
    """The records' octets; None for no such name."""
    if name in RECORDS:
        return RECORDS[name].get(kind, [])
    m = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)\.127\.in-addr\.arpa", name)
    if m:
        found = name_of(*map(int, m.groups()[::-1]))
        if found is None:
            return None
        return [encode(found)] if kind == PTR else []
    m = re.fullmatch(r"c(\d+)-(\d+)-(\d+)\.names\.test", name)
    if m:
        return [bytes([127, *map(int, m.groups())])] if kind == A else []
    return None


def answer(query):
    (ident, flags, questions) = struct.unpack(">HHH", query[:6])
    if flags & 0x8000 or questions != 1:
        return None
    name, at = decode(query, 12)
    kind, = struct.unpack(">H", query[at:at + 2])
    data = look_up(name, kind)
    # Recursion is there if it was wanted.
    code = SERVFAIL if name.endswith("fails.test") else \
        NXDOMAIN if data is None else NOERROR
    data = data or []
    head = struct.pack(">HHHHHH", ident, 0x8480 | flags & 0x100 | code, 1,
                       len(data), 0, 0)
    records = [struct.pack(">HHHIH", 0xc00c, kind, IN, TTL, len(x)) + x
               for x in data]
    return head + query[12:at + 4] + b"".join(records)


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
