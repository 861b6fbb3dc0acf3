#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Scripts that mean harm, in a whole server: what hostile.sh cannot do in sh.

write SOURCE DIR        the scripts of SOURCE as files of DIR, as t_hostile
                        reads them, and DIR/all with "NAME WANT" lines
conf DIR NAMES          a configuration's part for the names in that file
play PORT NAMES     run each of them, twice as the script of a command and
                        twice as that of a recipient, while other sessions
                        run an innocent one; prints what went wrong, and
                        what it has cost

A hostile script may cost its own session, and one that hangs its worker;
what an innocent one says is always about its own session.
"""

import os
import socket
import sys
import threading
import time

WORKERS = 3                     # sessions with hostile scripts at a time
INNOCENTS = 6                   # sessions that are there all the time

INNOCENT = """\
local tag, n = arguments.command:match("^NOOP (%w+) (%d+)$")
context = context or { tag = tag, n = 0 }
context.n = context.n + 1
local t = {}
for i = 1, 50 do t[i] = 51 - i end
table.sort(t)
local g = 0
for _ in pairs(_ENV) do g = g + 1 end
proxy.Reply(table.concat({ context.tag, tag, context.n, n,
  connection.helo.host, connection.remoteport, table.concat(t, ",", 1, 3),
  ("Bob@Example.ORG"):lower():match("^(.-)@"), g }, " "))
"""


def write(source, to):
    names = []
    for file in sorted(os.listdir(source)):
        if not file.endswith(".lua"):
            continue
        name = "h" + file[:-4]
        with open(os.path.join(source, file), "rb") as f:
            lines = f.read().split(b"\n")
        want = lines[0].removeprefix(b"-- want: ").decode("latin-1")
        for i, line in enumerate(lines):
            if line.startswith(b"--*"):
                times, text = line[3:].split(b" ", 1)
                lines[i] = text * int(times)
            elif i + 1 < len(lines):
                lines[i] += b"\n"
        with open(os.path.join(to, name + ".lua"), "wb") as f:
            f.write(b"".join(lines))
        names.append(name + " " + want)
    with open(os.path.join(to, "all"), "w") as f:
        f.write("\n".join(names) + "\n")
    with open(os.path.join(to, "innocent.lua"), "w") as f:
        f.write(INNOCENT)


def read_names(file):
    with open(file) as f:
        return [line.rstrip("\n").split(" ", 1) for line in f]


def conf(to, file):
    names = [name for name, _ in read_names(file)]
    print("script:")
    for name in names + ["innocent"]:
        print("  %s: {file: %s/%s.lua}" % (name, to, name))
    print("proxy:\n  commands: [NOOP]\n  script:")
    for name in names:
        print("    - {if: helo-domain, eq: %s.test, then: %s}" % (name, name))
    print("    - {else: innocent}")
    print("session:\n  rcpt:\n    lookup: {domains: list/ours}\n"
          "    max-recipients: 100000\n    script:")
    for name in names:
        print("      - {if: rcpt, eq: %s@example.org, then: %s}" %
              (name, name))
    print("      - {else: false}")


class Client:
    def __init__(self, port, name):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO " + name)

    def reply(self):
        """Its last line; none if there comes none any more."""
        try:
            line = self.file.readline()
            while line[3:4] == b"-":
                line = self.file.readline()
        except OSError:
            return ""
        return line.decode("latin-1").rstrip("\r\n")

    def say(self, line):
        try:
            self.socket.sendall(line.encode() + b"\r\n")
        except OSError:
            pass
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


class Play:
    def __init__(self, port, names):
        self.port = port
        self.todo = list(reversed(names))
        self.lock = threading.Lock()
        self.over = False
        self.wrong = []
        self.asked = 0
        self.lost = 0
        self.slowest = 0.0

    def note(self, text):
        with self.lock:
            self.wrong.append(text)

    # --- innocent sessions

    def innocent(self, number):
        tag = "tag%d" % number
        client, n = None, 0
        while not self.over:
            if client is None:
                client, n = Client(self.port, tag + ".test"), 0
            n += 1
            began = time.monotonic()
            got = client.say("NOOP %s %d" % (tag, n))
            took = time.monotonic() - began
            want = "250 2.0.0 %s %s %d %d %s.test %d 1,2,3 bob 0" % (
                tag, tag, n, n, tag, client.socket.getsockname()[1])
            with self.lock:
                self.asked += 1
                self.slowest = max(self.slowest, took)
                if got.startswith("421 4.3.0 "):
                    self.lost += 1
            if got.startswith("421 4.3.0 "):
                # its worker was lost, and what was kept
                client.close()
                client = None
            elif got != want:
                self.note("innocent: %s, not %s" % (got, want))
                break
            time.sleep(0.005)

    # --- hostile ones

    def command(self, name, want):
        """Both in one session, as long as there is one."""
        client = Client(self.port, name + ".test")
        for _ in range(2):
            got = client.say("NOOP")
            if got.startswith("421 4.3.0 ") and want != "pass":
                if client.reply() != "":
                    self.note(name + ": goes on behind its 421")
                break
            # what may end in any way may answer, too
            if got != "250 2.0.0 ok" and want != "end" or \
                    got[:3] != "250" or want not in ("pass", "end"):
                self.note("%s: NOOP: %s (%s)" % (name, got, want))
                break
        client.close()

    def recipient(self, name, want):
        client = Client(self.port, "other.test")
        client.say("MAIL FROM:<a@a.test>")
        for _ in range(2):
            got = client.say("RCPT TO:<%s@example.org>" % name)
            if got[:3] == "250":
                good = want in ("pass", "end")
            else:
                good = got.startswith("451 4.3.0 ") and want != "pass"
            if not good:
                self.note("%s: RCPT: %s (%s)" % (name, got, want))
        if client.say("RSET")[:3] != "250":
            self.note(name + ": the session of a recipient's script is over")
        client.close()

    def hostile(self):
        while True:
            with self.lock:
                if not self.todo:
                    return
                name, want = self.todo.pop()
            try:
                self.command(name, want)
                self.recipient(name, want)
            except OSError as e:
                self.note("%s: %s" % (name, e))

    def run(self):
        innocents = [threading.Thread(target=self.innocent, args=(i,))
                     for i in range(INNOCENTS)]
        hostiles = [threading.Thread(target=self.hostile)
                    for _ in range(WORKERS)]
        for t in innocents + hostiles:
            t.start()
        for t in hostiles:
            t.join()
        self.over = True
        for t in innocents:
            t.join()


def play(port, file):
    names = read_names(file)
    p = Play(port, names)
    began = time.monotonic()
    p.run()
    for text in p.wrong:
        print("wrong " + text)
    print("scripts %d seconds %.1f innocent %d slowest-ms %d lost %d" %
          (len(names), time.monotonic() - began, p.asked, p.slowest * 1000,
           p.lost))


def main():
    what, args = sys.argv[1], sys.argv[2:]
    if what == "write":
        write(*args)
    elif what == "conf":
        conf(*args)
    else:
        play(int(args[0]), args[1])


main()
