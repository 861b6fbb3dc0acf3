#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""What a server says to lines.

	say.py [-s address] port [line ...]

Says one line after the other, each when that before has its reply, and prints
every line of every reply but the banner and those to EHLO and QUIT, which are
said before and behind; EHLO only if it is not the first line, and MAIL, too,
if that is RCPT.  If it is "="
the banner is printed, and if it is "-" the lines are those of the standard
input.  -s is the client's address.  What is lost, or takes more than a minute,
ends with "lost".
"""

import getopt
import socket
import sys


class Session:
    def __init__(self, source, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60,
                                               (source, 0))
        self.file = self.socket.makefile("rb")

    def say(self, line):
        self.socket.sendall(line.encode() + b"\r\n")
        return self.reply()

    def reply(self):
        text = []
        while not text or text[-1][3:4] == "-":
            line = self.file.readline()
            if not line.endswith(b"\r\n"):
                raise EOFError
            text.append(line[:-2].decode("utf-8", "replace"))
        return text


def main():
    opts, args = getopt.getopt(sys.argv[1:], "s:")
    port, lines = int(args[0]), args[1:]
    try:
        session = Session(dict(opts).get("-s", "127.0.0.1"), port)
        banner = session.reply()
        if lines[:1] == ["="]:
            print("\n".join(banner))
            lines = lines[1:]
        if not lines or not lines[0].startswith("EHLO"):
            session.say("EHLO client.test")
        if lines and lines[0].startswith("RCPT"):
            session.say("MAIL FROM:<sender@example.net>")
        if lines == ["-"]:
            lines = iter(sys.stdin.readline, "")
        for line in lines:
            print("\n".join(session.say(line.rstrip("\n"))), flush=True)
        session.say("QUIT")
    except (OSError, EOFError):
        print("lost")


main()
