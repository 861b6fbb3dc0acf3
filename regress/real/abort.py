#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Clients that go away, at every point of a session, and in every manner.

abort.py [-n cycles] [--ca file] port

A cycle opens a connection, goes on to one of the points below and waits
there for its reply, so that it has certainly come so far; then the
connection is ended: by a FIN, by a RST, or by a FIN with a reply unread.
Cycles take the points in turn.  With --ca the points of TLS are among them.

Exit status 1 if a reply on the way is not the one that leads there.
"""

import argparse
import socket
import ssl
import struct
import sys

POINTS = ("connect", "ehlo", "mail", "rcpt", "data", "half", "dot")
TLS_POINTS = ("starttls", "hello", "tls", "tls-rcpt", "tls-half")
HALF = b"Subject: never to be taken\r\n\r\n" + b"A line of it.\r\n" * 2000


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")
        self.expect("220")

    def expect(self, code):
        line = self.file.readline()
        while line[3:4] == b"-":
            line = self.file.readline()
        if line[:3] != code.encode():
            sys.exit("wanted %s, got %r" % (code, line))

    def say(self, line, code):
        self.socket.sendall(line.encode() + b"\r\n")
        self.expect(code)

    def start_tls(self, ca):
        self.say("STARTTLS", "220")
        context = ssl.create_default_context(cafile=ca)
        self.file.close()
        self.socket = context.wrap_socket(self.socket,
                                          server_hostname="127.0.0.1")
        self.file = self.socket.makefile("rb")

    def reach(self, point, ca):
        if point == "connect":
            return
        self.say("EHLO client.test", "250")
        if point == "starttls":
            self.say("STARTTLS", "220")
            return
        if point == "hello":
            # a part of a ClientHello that never becomes a whole one
            self.say("STARTTLS", "220")
            self.socket.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03")
            return
        if point.startswith("tls"):
            self.start_tls(ca)
            self.say("EHLO client.test", "250")
            point = point[4:]
        if point in ("ehlo", ""):
            return
        self.say("MAIL FROM:<sender@example.net>", "250")
        if point == "mail":
            return
        self.say("RCPT TO:<reader@example.org>", "250")
        if point == "rcpt":
            return
        self.say("DATA", "354")
        if point == "data":
            return
        self.socket.sendall(HALF)
        if point == "dot":
            self.socket.sendall(b".\r\n")

    def end(self, manner):
        if manner == 1:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                   struct.pack("ii", 1, 0))
        elif manner == 2:
            try:
                self.socket.sendall(b"NOOP\r\n")
            except OSError:
                pass
        self.file.close()
        self.socket.close()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("-n", type=int, default=2000)
    p.add_argument("--ca")
    p.add_argument("port", type=int)
    args = p.parse_args()
    points = POINTS + (TLS_POINTS if args.ca else ())
    for i in range(args.n):
        c = Client(args.port)
        c.reach(points[i % len(points)], args.ca)
        c.end(i // len(points) % 3)


main()
