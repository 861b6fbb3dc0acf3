#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""A next hop that keeps what it gets as it came, and offers what it is told.

    hop.py [--lmtp] PORT DIR [EXTENSION ...]

Message N of all goes to DIR/N.msg, its octets only, unstuffed if they came by
DATA; and to DIR/N.cmd the command lines it came by, of which those that are
malformed are answered 501 and those for what is not offered 555.  Both are
there before the 250 leaves.  It says "ready" when it listens.

No real server takes BINARYMIME or keeps line ends, so that these can be seen
only here.
"""

import itertools
import os
import re
import socketserver
import sys

numbers = itertools.count(1)

# Parameters, and the extension that brings each; "" is always there.
MAIL = {"BODY": "8BITMIME", "SIZE": "SIZE", "SMTPUTF8": "SMTPUTF8",
        "RET": "DSN", "ENVID": "DSN"}
RCPT = {"NOTIFY": "DSN", "ORCPT": "DSN"}
PATH = re.compile(rb"(?:MAIL FROM|RCPT TO):(<[^ >]*>)((?: [^ ]+)*)$", re.I)


class Hop(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")

    def handle(self):
        self.begin()
        self.say("220 hop.test ready")
        try:
            while not self.command(self.rfile.readline()):
                pass
        except OSError:
            pass

    def begin(self):
        self.lines, self.content, self.rcpts = [], [], 0
        self.utf8 = False

    def offered(self, line, known):
        """What is wrong with a MAIL or RCPT, or None."""
        m = PATH.match(line)
        if m is None:
            return "501 5.5.4 malformed"
        for word in m[2].decode("latin-1").split():
            name, _, value = word.upper().partition("=")
            wants = known.get(name)
            if value == "BINARYMIME":
                wants = "BINARYMIME"
            if wants is None or wants not in options:
                return "555 5.5.4 " + word
            self.utf8 = self.utf8 or name == "SMTPUTF8"
        if not m[1].isascii() and not self.utf8:
            return "553 5.6.7 no SMTPUTF8 said"
        return None

    def command(self, line):
        """Whether it was the last."""
        if not line.endswith(b"\n"):
            return True
        if not line.endswith(b"\r\n"):
            self.say("500 5.5.2 a bare line feed")
            return False
        line = line[:-2]
        verb = line[:4].upper()
        if verb == (b"LHLO" if lmtp else b"EHLO"):
            self.begin()
            for word in ["hop.test"] + options[:-1]:
                self.say("250-" + word)
            self.say("250 " + (options or ["hop.test"])[-1])
        elif verb in (b"MAIL", b"RCPT"):
            wrong = self.offered(line, MAIL if verb == b"MAIL" else RCPT)
            if wrong is None:
                self.lines.append(line)
                self.rcpts += verb == b"RCPT"
            self.say(wrong or "250 2.1.0 ok")
        elif verb == b"DATA":
            return self.data(line)
        elif verb == b"BDAT" and "CHUNKING" in options:
            return self.bdat(line)
        elif verb == b"QUIT":
            self.say("221 2.0.0 bye")
            return True
        elif verb in (b"RSET", b"NOOP"):
            if verb == b"RSET":
                self.begin()
            self.say("250 2.0.0 ok")
        else:
            self.say("500 5.5.1 what?")
        return False

    def data(self, line):
        if self.rcpts == 0 or self.content or b"BINARYMIME" in b"".join(
                self.lines).upper():
            self.say("503 5.5.1 not now")
            return False
        self.lines.append(line)
        self.say("354 go on")
        rest = b""
        while True:
            got = self.rfile.readline()
            if not got:
                return True
            if got == b".\r\n" and rest in (b"", b"\r\n"):
                break
            if got.startswith(b".") and rest in (b"", b"\r\n"):
                got = got[1:]
            self.content.append(got)
            rest = b"\r\n" if got.endswith(b"\r\n") else b"-"
        self.keep()
        return False

    def bdat(self, line):
        words = line.split()
        n = int(words[1])
        octets = self.rfile.read(n)
        if len(octets) != n:
            return True
        if self.rcpts == 0:
            self.say("503 5.5.1 no recipient")
            return False
        self.lines.append(line)
        self.content.append(octets)
        if len(words) > 2:
            self.keep()
        else:
            self.say("250 2.0.0 %d octets" % n)
        return False

    def keep(self):
        name = os.path.join(where, str(next(numbers)))
        for suffix, octets in (
                (".cmd", b"".join(l + b"\n" for l in self.lines)),
                (".msg", b"".join(self.content))):
            with open(name + ".new", "wb") as f:
                f.write(octets)
            os.rename(name + ".new", name + suffix)
        for _ in range(self.rcpts if lmtp else 1):
            self.say("250 2.0.0 kept")
        self.begin()


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


lmtp = sys.argv[1] == "--lmtp"
port, where, *options = sys.argv[2 if lmtp else 1:]
with Server(("127.0.0.1", int(port)), Hop) as server:
    print("ready", flush=True)
    server.serve_forever()
