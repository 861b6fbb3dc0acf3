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
reply.  -c prints only how many lines there are of each "CODE ENHANCED".

What is lost, or takes more than two minutes, is "000 - WORD".
"""

import asyncio
import collections
import getopt
import re
import sys


class Lost(Exception):
    pass


async def reply(r):
    """All lines of one, without their ends."""
    text = []
    while True:
        line = await asyncio.wait_for(r.readline(), 120)
        if not line.endswith(b"\r\n"):
            raise Lost
        text.append(line[:-2].decode("utf-8", "replace"))
        if text[-1][3:4] != "-":
            return text


def short(line, word):
    m = re.match(r"(\d{3})[ -](?:(\d\.\d+\.\d+) ?)?", line)
    return "%s %s %s" % (m.group(1), m.group(2) or "-", word)


async def say(w, line):
    w.write(line.encode() + b"\r\n")
    await w.drain()


class Session:
    def __init__(self, opts, port, words):
        self.opts, self.port, self.words = opts, port, words
        self.lines = []

    async def begin(self):
        self.r, self.w = await asyncio.open_connection("127.0.0.1", self.port)
        await reply(self.r)
        await say(self.w, ("LHLO" if "-l" in self.opts else "EHLO") +
                  " client.test")
        await reply(self.r)
        if "-v" in self.opts:
            return
        await say(self.w, "MAIL FROM:<%s>" %
                  self.opts.get("-f", "sender@example.net"))
        if (await reply(self.r))[0][:1] != "2":
            raise Lost

    def line(self, word):
        if "-v" in self.opts:
            return "%s %s" % (self.opts["-v"], word)
        return "RCPT TO:<%s>" % word

    async def ask(self):
        left = list(self.words)
        try:
            if "-p" in self.opts:
                self.w.write("".join(self.line(x) + "\r\n"
                                     for x in left).encode())
            while left:
                if "-p" not in self.opts:
                    await say(self.w, self.line(left[0]))
                got = await reply(self.r)
                if "-v" in self.opts:
                    self.lines += got
                else:
                    self.lines.append(short(got[0], left[0]))
                left.pop(0)
            await say(self.w, "QUIT")
        except (Lost, OSError, asyncio.TimeoutError):
            self.lines += ["000 - %s" % x for x in left]
        self.w.close()


async def main():
    opts, args = getopt.getopt(sys.argv[1:], "cf:ln:pv:")
    opts = dict(opts)
    n = int(opts.get("-n", 1))
    all_of_them = [Session(opts, int(args[0]), args[1:]) for _ in range(n)]
    await asyncio.gather(*(s.begin() for s in all_of_them))
    await asyncio.gather(*(s.ask() for s in all_of_them))
    lines = [x for s in all_of_them for x in s.lines]
    if "-c" in opts:
        sums = collections.Counter(" ".join(x.split()[:2]) for x in lines)
        lines = ["%s %d" % (k, sums[k]) for k in sorted(sums)]
    print("\n".join(lines))


asyncio.run(main())
