#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Clients whose scripts wait, and one whose do not.

    waiting.py SLOW FAST N CALLS

N sessions at the port SLOW say EHLO, which nobody answers; CALLS is a command
that succeeds when all of them have come to their script.  Then one at FAST
says a hundred commands, and what became of both is printed.
"""

import select
import socket
import subprocess
import sys

slow, fast, n = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def connect(port):
    s = socket.create_connection(("127.0.0.1", port), 30)
    f = s.makefile("rwb")
    f.readline()
    return s, f


waiting = [connect(slow) for _ in range(n)]
for s, f in waiting:
    s.sendall(b"EHLO waits.example\r\n")
while subprocess.call(sys.argv[4:]) != 0:
    pass
s, f = connect(fast)
answers = 0
for i in range(100):
    f.write(b"HELP %d\r\n" % i)
    f.flush()
    answers += f.readline() == b"250 2.0.0 1\r\n"
poll = select.poll()
for w in waiting:
    poll.register(w[0], select.POLLIN)
print("answers %d, released %d" % (answers, len(poll.poll(0))))
