# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""A connection that says octets and reads replies, for the programs here.

Nothing is made nicer on the way: what is wrong on the wire is wrong in the
test.  A reply is a Reply; its code is 0 when the connection ended instead.
"""

import socket
import struct

DEADLINE = 60       # seconds that any one answer may take


class Reply:
    def __init__(self, lines):
        self.lines = [l.decode("latin-1").rstrip("\r\n") for l in lines]
        self.code = int(lines[-1][:3]) if lines else 0

    def __str__(self):
        return self.lines[-1] if self.lines else "0 closed"

    def brief(self):
        """Code and enhanced code."""
        words = str(self).split(" ", 2)
        if len(words) > 1 and words[1].count(".") == 2:
            return " ".join(words[:2])
        return words[0]


def proxy_header(version, source, port, dest, destport):
    """Of a connection from source to dest, in version "v1" or "v2"."""
    if version == "v1":
        return ("PROXY TCP4 %s %s %d %d\r\n" % (source, dest, port,
                                                destport)).encode()
    return (b"\r\n\r\n\0\r\nQUIT\n\x21\x11" + struct.pack(">H", 12) +
            socket.inet_aton(source) + socket.inet_aton(dest) +
            struct.pack(">HH", port, destport))


class Wire:
    def __init__(self, port, lmtp=False, source=None, header=b"",
                 name="client.test"):
        self.lmtp = lmtp
        self.socket = socket.create_connection(
            ("127.0.0.1", port), DEADLINE,
            (source, 0) if source is not None else None)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")
        self.put(header)
        self.banner = self.reply()
        self.hello(name)

    def hello(self, name):
        r = self.say(("LHLO " if self.lmtp else "EHLO ") + name)
        self.offers = {}
        for l in r.lines[1:]:
            word, _, rest = l[4:].partition(" ")
            self.offers[word.upper()] = rest
        return r

    def put(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass            # the reply tells

    def reply(self):
        lines = []
        try:
            while True:
                line = self.file.readline()
                if not line.endswith(b"\n"):
                    return Reply([])
                lines.append(line)
                if line[3:4] != b"-":
                    return Reply(lines)
        except OSError:
            return Reply([])

    def say(self, line):
        """A line as str is UTF-8."""
        if isinstance(line, str):
            line = line.encode()
        self.put(line + b"\r\n")
        return self.reply()

    def replies(self, accepted):
        """What comes at the end of the data: as many as LMTP has."""
        return [self.reply() for _ in range(accepted if self.lmtp else 1)]

    def bdat(self, octets, last=False):
        self.put(b"BDAT %d%s\r\n%s" % (len(octets), b" LAST" if last else b"",
                                       octets))

    def close(self):
        self.say("QUIT")
        self.socket.close()
