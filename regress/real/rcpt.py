#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""What a server says to recipients.

	rcpt.py [-c] [-f sender] [-l] [-n sessions] [-p] [-v verb] port word ...

Prints a line "CODE ENHANCED WORD" for each word (an address), in the order
in which they were said; nothing is ever sent.  With -p all RCPTs leave in one
write.  With -n so many sessions ask the same at once: MAIL is answered in all
of them before the first RCPT leaves, and their lines come session by session.
-l speaks LMTP.  -v says VRFY or EXPN instead, and prints every line of the
reply; with -v EHLO they are what is offered.  -c prints only how many lines
there are of each "CODE ENHANCED".

What is lost, or takes more than a minute, is "000 - WORD".

Scripts run it often: it is without modules that take long to load, and
without threads: all sessions are written to before one of them is read.
"""

import getopt
import socket
import sys


class Lost(Exception):
    pass


class Session:
    def __init__(self, opts, port, words):
        self.opts, self.words = opts, words
        self.lines = []
        self.lost = False
        self.file = None
        self.port = port

    def connect(self):
        try:
            self.socket = socket.create_connection(("127.0.0.1", self.port),
                                                   60)
        except OSError:
            raise Lost
        self.file = self.socket.makefile("rb")

    def say(self, text):
        try:
            if self.file is not None:
                self.socket.sendall(text.encode())
        except OSError:
            pass            # the reply tells

    def reply(self):
        """All lines of one, without their ends."""
        text = []
        while True:
            try:
                line = self.file.readline()
            except OSError:
                raise Lost
            if not line.endswith(b"\r\n"):
                raise Lost
            text.append(line[:-2].decode("utf-8", "replace"))
            if text[-1][3:4] != "-":
                return text

    def begin(self):
        self.connect()
        self.reply()
        self.say("LHLO client.test\r\n" if "-l" in self.opts else
                 "EHLO client.test\r\n")
        self.reply()
        if "-v" not in self.opts:
            self.say("MAIL FROM:<%s>\r\n" %
                     self.opts.get("-f", "sender@example.net"))
            if self.reply()[0][:1] != "2":
                raise Lost

    def command(self, word):
        if "-v" in self.opts:
            return "%s %s\r\n" % (self.opts["-v"], word)
        return "RCPT TO:<%s>\r\n" % word

    def take(self, word):
        """The reply to that one."""
        try:
            if self.lost:
                raise Lost
            got = self.reply()
        except Lost:
            self.lost = True
            got = ["000 -"]
        if "-v" in self.opts:
            self.lines += got
            return
        code, _, text = got[0].partition(" ")
        status = text.split(" ")[0]
        if status.count(".") != 2:
            status = "-"
        self.lines.append("%s %s %s" % (code[:3], status, word))


def main():
    opts, args = getopt.getopt(sys.argv[1:], "cf:ln:pv:")
    opts, words = dict(opts), args[1:]
    sessions = [Session(opts, int(args[0]), words)
                for _ in range(int(opts.get("-n", 1)))]
    for s in sessions:
        try:
            s.begin()
        except Lost:
            s.lost = True
    packets = [words] if "-p" in opts else [[x] for x in words]
    for packet in packets:
        for s in sessions:
            s.say("".join(s.command(x) for x in packet))
        for s in sessions:
            for word in packet:
                s.take(word)
    for s in sessions:
        s.say("QUIT\r\n")
    lines = [x for s in sessions for x in s.lines]
    if "-c" in opts:
        sums = {}
        for x in lines:
            what = " ".join(x.split()[:2])
            sums[what] = sums.get(what, 0) + 1
        lines = ["%s %d" % (x, sums[x]) for x in sorted(sums)]
    print("\n".join(lines))


main()
