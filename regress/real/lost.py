#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Sessions whose scripts lose what they stand on: what lost.sh plays.

lost.py POSTERNCTL PORT PHASE [NUMBER]

Opens sessions (NUMBER of each kind), brings them to where a script has them,
does what the phase is about, and prints a line "KIND COUNT WHAT" for each
answer that came.  Nobody waits for a time: that scripts have begun is told
by the count of calls.  Lines that begin with # say how long it took.
"""

import collections
import os
import signal
import socket
import subprocess
import sys
import time


class Lost(Exception):
    pass


class Session:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), 60)
        self.file = self.socket.makefile("rb")
        self.reply()
        self.say("EHLO client.test")

    def send(self, line):
        try:
            self.socket.sendall(line.encode() + b"\r\n")
        except OSError:
            pass

    def reply(self):
        """The last line, without what differs from server to server."""
        try:
            line = self.file.readline()
            while line[3:4] == b"-":
                line = self.file.readline()
        except OSError:
            return "error"
        return line.decode("latin-1").rstrip("\r\n") or "end"

    def say(self, line):
        self.send(line)
        return self.reply()

    def close(self):
        self.file.close()
        self.socket.close()


class Play:
    def __init__(self, ctl, port, n):
        self.ctl, self.port, self.n = ctl.split(), port, n
        self.counts = collections.Counter()

    def control(self, *words):
        return subprocess.run(self.ctl + list(words), text=True,
                              capture_output=True, timeout=60).stdout

    def stat(self, name):
        for line in self.control("show", "stats").splitlines():
            if line.split()[:1] == [name]:
                return int(line.split()[1])
        return -1

    def pids(self, role):
        pids = []
        for line in self.control("show", "status").splitlines():
            word = line.split()
            if word[:1] == [role] and "pid" in word:
                pid = word[word.index("pid") + 1]
                pids += [int(pid)] if pid != "-" else []
        return pids

    def until(self, what, seconds=30):
        end = time.monotonic() + seconds
        while not what():
            if time.monotonic() > end:
                sys.exit("what was waited for has not come")
            time.sleep(0.01)

    def kill(self, role, sig=signal.SIGKILL):
        pids = self.pids(role)
        for pid in pids:
            os.kill(pid, sig)
        self.killed = time.monotonic()
        return pids

    def took(self, what):
        print("# %s: %d ms" % (what, (time.monotonic() - self.killed) * 1000))

    # --- many sessions

    def sessions(self):
        return [Session(self.port) for _ in range(self.n)]

    def count(self, kind, reply):
        """Which reply: its text tells only where it is a script's."""
        words = reply.split(" ", 2)
        if words[0] != "450" and words[2:] not in (["kept"], ["none"]):
            reply = " ".join(words[:2])
        self.counts[kind + " " + reply] += 1

    def all_say(self, kind, sessions, line):
        for s in sessions:
            s.send(line)
        self.all_hear(kind, sessions)

    def all_hear(self, kind, sessions):
        for s in sessions:
            self.count(kind, s.reply())

    def must(self, sessions, line, code):
        for s in sessions:
            s.send(line)
        for s in sessions:
            got = s.reply()
            if not got.startswith(code):
                sys.exit("%s: %s, not %s" % (line, got, code))

    def calls(self, sessions, line):
        """Their scripts have it and wait."""
        before = self.stat("proxyd.calls")
        for s in sessions:
            s.send(line)
        self.until(lambda: self.stat("proxyd.calls") ==
                   before + len(sessions))

    def in_rcpt(self, user):
        sessions = self.sessions()
        self.must(sessions, "MAIL FROM:<a@a.test>", "250")
        self.calls(sessions, "RCPT TO:<%s@example.org>" % user)
        return sessions

    def in_body(self, line=None):
        sessions = self.sessions()
        if line is not None:
            self.must(sessions, line, "250")
        self.must(sessions, "MAIL FROM:<a@a.test>", "250")
        self.must(sessions, "RCPT TO:<yes@example.org>", "250")
        self.must(sessions, "DATA", "354")
        for s in sessions:
            s.send("Subject: a body\r\n\r\nthat is on its way")
        return sessions

    def works(self):
        s = Session(self.port)
        got = s.say("XSAY")
        if got != "250 2.0.0 none":
            sys.exit("a new session: " + got)
        s.close()
        self.took("a new session has its script behind")

    # --- phases

    def kill_all(self, sig=signal.SIGKILL):
        idle = self.sessions()
        self.must(idle, "XSAY", "250 2.0.0 none")
        never = self.sessions()
        kept = self.sessions()
        self.must(kept, "XKEEP", "250")
        body = self.in_body()
        kept_body = self.in_body("XKEEP")
        rcpt = self.in_rcpt("slow")
        flight = self.sessions()
        self.calls(flight, "XSLEEP")
        mail = self.sessions()
        self.calls(mail, "MAIL FROM:<slow@a.test>")
        pids = self.kill("proxyd", sig)
        self.all_hear("flight", flight)
        self.took("those whose command it had have heard")
        self.all_hear("flight", flight)
        self.all_hear("context", kept)
        self.all_hear("context", kept)
        self.all_hear("rcpt", rcpt)
        self.all_hear("mail", mail)
        self.works()
        if sig == signal.SIGSTOP and set(self.pids("proxyd")) & set(pids):
            sys.exit("those that were stopped are still there")
        self.all_say("idle", idle, "XSAY")
        self.all_say("never", never, "NOOP")
        self.all_say("rcpt-again", rcpt, "RCPT TO:<yes@example.org>")
        self.all_say("rcpt-again", rcpt, "RCPT TO:<no@example.org>")
        self.all_say("mail-again", mail, "RCPT TO:<yes@example.org>")
        self.all_say("body", body, "and its end\r\n.")
        self.all_say("body", body, "XSAY")
        self.all_say("context-body", kept_body, "and its end\r\n.")
        self.all_say("context-body", kept_body, "NOOP")

    def stop(self):
        self.kill_all(signal.SIGSTOP)

    def repeat(self):
        """Killed as soon as it is there: each time it stays away longer."""
        rcpt = self.sessions()
        self.must(rcpt, "MAIL FROM:<a@a.test>", "250")
        mail = self.sessions()
        for _ in range(8):
            self.until(lambda: self.pids("proxyd") != [])
            self.kill("proxyd")
            for s in rcpt:
                s.send("RCPT TO:<no@example.org>")
            for s in mail:
                s.send("MAIL FROM:<no@a.test>")
            self.all_hear("rcpt", rcpt)
            self.all_hear("mail", mail)
            self.took("all have an answer")
            self.must(mail, "RSET", "250")
        command = self.sessions()
        self.all_say("command", command, "XSAY")
        self.until(lambda: self.pids("proxyd") != [])
        self.works()
        self.all_say("at-last", rcpt, "RCPT TO:<yes@example.org>")

    def verifyd(self):
        rcpt = self.in_rcpt("ask")
        self.kill("verifyd")
        self.all_hear("rcpt", rcpt)
        self.took("those who wait have heard")
        self.all_say("rcpt-again", rcpt, "RCPT TO:<yes@example.org>")

    def lookupd(self):
        rcpt = self.in_rcpt("sql")
        self.kill("lookupd")
        self.all_hear("rcpt", rcpt)
        self.took("those who wait have heard")
        one = rcpt[0]
        self.until(lambda: one.say("RCPT TO:<one@example.org>")[:3] == "250")
        self.took("a script can ask again")
        self.all_say("rcpt-again", rcpt, "RCPT TO:<one@example.org>")

    def reload(self):
        kept = self.sessions()
        self.must(kept, "XKEEP", "250")
        rcpt = self.in_rcpt("nap")
        gone = self.in_rcpt("other")
        os.rename(os.environ["LATER"], os.environ["CONF"])
        self.control("reload")
        new = self.sessions()
        self.must(new, "MAIL FROM:<a@a.test>", "250")
        self.all_say("new", new, "RCPT TO:<yes@example.org>")
        self.all_say("kept", kept, "XSAY")
        self.all_hear("rcpt", rcpt)
        self.all_hear("gone", gone)

    def smtpd(self):
        flight = self.sessions()
        self.calls(flight, "XSLEEP")
        rcpt = self.in_rcpt("slow")
        self.kill("smtpd")
        self.all_hear("flight", flight)
        self.all_hear("rcpt", rcpt)
        self.until(lambda: self.stat("proxyd.sessions") == 0)
        self.took("proxyd knows none of them")
        self.works()

    def drain(self):
        rcpt = self.in_rcpt("nap")
        flight = self.sessions()
        self.calls(flight, "XNAP")
        self.killed = time.monotonic()
        self.control("drain")
        self.all_hear("rcpt", rcpt)
        self.all_hear("flight", flight)
        self.took("all have an answer")
        self.all_say("rcpt-then", rcpt, "RSET")


def main():
    ctl, port, phase = sys.argv[1:4]
    n = int(sys.argv[4]) if len(sys.argv) > 4 else 40
    p = Play(ctl, int(port), n)
    {"kill": p.kill_all, "stop": p.stop, "repeat": p.repeat,
     "verifyd": p.verifyd, "lookupd": p.lookupd, "reload": p.reload,
     "smtpd": p.smtpd, "drain": p.drain}[phase]()
    for what, number in sorted(p.counts.items()):
        kind, said = what.split(" ", 1)
        print("%s %d %s" % (kind, number, said))


main()
