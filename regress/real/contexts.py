#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Sessions that keep a lot: what contexts.sh plays.

contexts.py POSTERNCTL PORT SESSIONS ROUNDS

In each round so many sessions have a script keep some megabytes, more in all
than a worker has; in between are small ones.  Each is asked for its own, and
all go away.  Prints "wrong ..." lines, and numbers.
"""

import collections
import socket
import subprocess
import sys
import time


class Session:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")
        self.file.readline()

    def say(self, line):
        try:
            self.socket.sendall(line.encode() + b"\r\n")
            return self.file.readline().decode("latin-1").rstrip("\r\n")
        except OSError:
            return ""

    def close(self):
        self.file.close()
        self.socket.close()


def control(ctl, *words):
    return subprocess.run(ctl + list(words), text=True, capture_output=True,
                          timeout=60).stdout.splitlines()


def stat(ctl, name):
    for line in control(ctl, "show", "stats"):
        if line.split()[:1] == [name]:
            return int(line.split()[1])
    return -1


def resident(ctl):
    for line in control(ctl, "show", "status"):
        word = line.split()
        if word[0] == "proxyd":
            with open("/proc/%s/status" % word[word.index("pid") + 1]) as f:
                for entry in f:
                    if entry.startswith("VmRSS:"):
                        return int(entry.split()[1]) // 1024
    return -1


def main():
    ctl, port = sys.argv[1].split(), int(sys.argv[2])
    n, rounds = int(sys.argv[3]), int(sys.argv[4])
    most = after = 0
    for r in range(rounds):
        sessions, answers = [], collections.Counter()
        for i in range(n):
            small = i % 4 == 0
            s = Session(port)
            got = s.say("XKEEP %d %d" % (1 if small else 50, i))
            answers[("small " if small else "large ") + got[:9]] += 1
            if got[:3] == "250":
                sessions.append((i, s))
            else:
                s.close()
        for i, s in sessions:
            got = s.say("XOWN %d" % i)
            if got != "250 2.0.0 mine":
                print("wrong: %d: %s" % (i, got))
        memory = stat(ctl, "proxyd.memory")
        most = max(most, resident(ctl))
        for _, s in sessions:
            s.close()
        end = time.monotonic() + 60
        while stat(ctl, "proxyd.sessions") != 0 or \
                stat(ctl, "proxyd.memory") > 32 << 20:
            if time.monotonic() > end:
                print("wrong: memory is not given back")
                break
            time.sleep(0.02)
        after = max(after, resident(ctl))
        for what, number in sorted(answers.items()):
            print("round %d: %s %d" % (r, what, number))
        print("round %d: octets %d" % (r, memory))
    print("resident %d after %d" % (most, after))


main()
