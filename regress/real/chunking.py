#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Messages that come in chunks, in octets and in letters that are not ASCII.

cases                   the names of all
send PORT CASE ...      deliver each to CASE@example.org, and print what was
                        said to MAIL, RCPT and the end of it: a code, with its
                        enhanced code if it refuses, or "-"
offers PORT NAME ...    those of the extensions that are offered, in a line
hop DIR CASE ...        whether what hop.py kept in DIR is that case, octet by
                        octet, and has the parameters it was sent with
maildir DIR CASE ...    whether the file in the maildir DIR/CASE is, where
                        line ends are LF; it is waited for

Each prints a line for a case, its name first.  Before the command --lmtp
lets send speak that, and --data send no chunks.

A case is what MAIL and RCPT have besides the path, and how the octets are cut
up.  All chunks after the first are sent without waiting for a reply.
"""

import glob
import os
import re
import sys
import time

from wire import Wire

TRACE = (b"return-path", b"received", b"delivered-to", b"x-original-to")
SENDER, DOMAIN = "sender@example.net", "example.org"


class Case:
    def __init__(self, chunks, mail="", rcpt="", sender=SENDER, to=None,
                 data=False):
        self.chunks, self.mail, self.rcpt = chunks, mail, rcpt
        self.sender, self.to, self.data = sender, to, data
        self.message = b"".join(chunks)


def head(name, more=b""):
    return (b"From: Sender <sender@example.net>\r\n"
            b"To: Reader <reader@example.org>\r\n"
            b"Subject: " + name.encode() + b"\r\n"
            b"Date: Mon, 02 Jan 2023 03:04:05 +0000\r\n"
            b"Message-ID: <" + name.encode() + b".1@example.net>\r\n" +
            more + b"\r\n")


def cut(octets, n):
    return [octets[i:i + n] for i in range(0, len(octets), n)]


def cases():
    def plain(name, *chunks, **more):
        return Case([head(name) + chunks[0]] + list(chunks[1:]), **more)

    lines = b"".join(b"line %d\r\n" % i for i in range(200))
    mime = (b"MIME-Version: 1.0\r\nContent-Type: %s\r\n"
            b"Content-Transfer-Encoding: %s\r\n")
    every = bytes(range(1, 256)).translate(None, b"\r\n")
    eight = b"".join(every[i:] + every[:i] + b"\r\n" for i in range(64))
    utf8 = head("utf8", "X-Name: J\u00f6rg \u4f60\u597d\r\n".encode())
    dots = b".\r\n..\r\n.x\r\n\r\n.\r\nQUIT\r\n.\r\n"
    return {
        "one": plain("one", lines),
        "many": Case(cut(head("many") + lines, 7)),
        "single": Case(cut(head("single") + b"\r\n.\r\n.\r\n", 1)),
        "zero": plain("zero", lines, b""),
        "nothing": plain("nothing", b"a\r\n", b"", b"b\r\n", b"", b""),
        "cr": plain("cr", b"a\r", b"\nb\r\n", b"\r", b"\n", b"\r\n"),
        "dots": plain("dots", dots, dots, b"x\r\n" + dots),
        "dotcut": plain("dotcut", b"a\r\n", b".", b"\r\n", b".\r", b"\nb",
                        b"\r\n.", b"\r\n"),
        "noeol": plain("noeol", b"a\r\n", b"no line end"),
        "big": Case(cut(head("big") + lines * 1300, 65537)),
        "eight": Case(cut(head("eight", mime % (
            b"text/plain; charset=iso-8859-1", b"8bit")) + eight, 1000),
            mail=" BODY=8BITMIME"),
        "eightdata": Case([head("eightdata", mime % (
            b"text/plain; charset=iso-8859-1", b"8bit")) + eight],
            mail=" BODY=8BITMIME", data=True),
        "data": plain("data", dots * 20, data=True),
        "binary": Case(cut(head("binary", mime % (
            b"application/octet-stream", b"binary")) +
            bytes(range(256)) * 300 + b"\0\n.\n\r.\r\n.\r\n\r\0", 4099),
            mail=" BODY=BINARYMIME"),
        "utf8-header": Case([utf8], mail=" SMTPUTF8 BODY=8BITMIME"),
        "utf8-sender": Case([head("utf8-sender")], mail=" SMTPUTF8",
                            sender="j\u00f6rg@b\u00fccher.example"),
        "utf8-rcpt": Case([head("utf8-rcpt")], mail=" SMTPUTF8",
                          to="utf8-\u4f60\u597d"),
        "utf8-ascii": Case([head("utf8-ascii")], mail=" SMTPUTF8"),
        "utf8-all": Case([utf8], mail=" BODY=8BITMIME SMTPUTF8",
                         sender="\u4f60\u597d@example.net",
                         to="utf8-\u00fc\u00f6"),
        "dsn": Case([head("dsn")], mail=" RET=HDRS ENVID=a+2Bb+3Dc",
                    rcpt=" NOTIFY=SUCCESS,FAILURE "
                    "ORCPT=rfc822;first+2Blast@example.com"),
        "dsn-never": Case([head("dsn-never")], mail=" RET=FULL",
                          rcpt=" NOTIFY=NEVER"),
    }


# --- sending ----------------------------------------------------------------

def said(reply):
    text = str(reply.code) if 200 <= reply.code < 400 else reply.brief()
    return text.replace(" ", "_")


def end(w, case, data):
    """All of it, and the reply that counts: the last, or what refuses."""
    if data or case.data:
        r = w.say("DATA")
        if r.code != 354:
            return r
        end = b".\r\n" if case.message.endswith(b"\r\n") else b"\r\n.\r\n"
        w.put(re.sub(rb"(?m)^\.", b"..", case.message) + end)
        return w.replies(1)[0]
    r = None
    last = len(case.chunks) - 1
    w.bdat(case.chunks[0], last == 0)
    if last > 0:
        r = w.reply()
        if r.code != 250:
            return r
        for i, c in enumerate(case.chunks[1:], 1):
            w.bdat(c, i == last)
        for _ in range(last - 1):
            r = w.reply()
            if r.code != 250:
                return r
    return w.replies(1)[0]


def send(port, name, lmtp=False, data=False):
    case = ALL[name]
    w = Wire(int(port), lmtp)
    out = []
    r = w.say("MAIL FROM:<%s>%s" % (case.sender, case.mail))
    out.append(said(r))
    if r.code == 250:
        r = w.say("RCPT TO:<%s@%s>%s" % (case.to or name, DOMAIN, case.rcpt))
        out.append(said(r))
        if r.code == 250:
            out.append(said(end(w, case, data)))
    w.close()
    return " ".join((out + ["-", "-"])[:3])


# --- judging ----------------------------------------------------------------

def without_trace(data):
    """Cut off the fields at the top that hops added, with what is folded."""
    while True:
        name = re.match(rb"([!-9;-~]+)[ \t]*:", data)
        if name is None or name[1].lower() not in TRACE:
            return data
        data = data[re.match(rb"[^\n]*\n(?:[ \t][^\n]*\n)*", data).end():]


def compare(got, wanted):
    if got == wanted:
        return "the same"
    at = len(os.path.commonprefix([got, wanted]))
    return "%d octets, not %d; at %d %r, not %r" % (
        len(got), len(wanted), at, got[at:at + 20], wanted[at:at + 20])


def parameters(line):
    """A set, with the path: their order is free, SIZE and 7BIT are no news."""
    verb, path, *words = line.decode().split(" ")
    return {path} | {w for w in words if not w.startswith("SIZE=") and
                     w not in ("BODY=7BIT", "BODY=8BITMIME")}


def kept(where, path):
    """The octets and the command lines of the message to that path."""
    for file in glob.glob(os.path.join(where, "*.msg")):
        with open(file[:-3] + "cmd", "rb") as f:
            lines = f.read().split(b"\n")
        if path.encode() in lines[1]:
            with open(file, "rb") as f:
                return f.read(), lines
    return None


def hop(where, name):
    case = ALL[name]
    path = "<%s@%s>" % (case.to or name, DOMAIN)
    found = kept(where, path)
    if found is None:
        return "not there"
    got, lines = found
    wanted = case.message
    # DATA cannot end otherwise.
    if lines[2].startswith(b"DATA") and not wanted.endswith(b"\r\n"):
        wanted += b"\r\n"
    for line, what in ((lines[0], "FROM:<%s>%s" % (case.sender, case.mail)),
                       (lines[1], "TO:" + path + case.rcpt)):
        if parameters(line) != parameters(("X " + what).encode()):
            return "by %s, not %s" % (line.decode(), what)
    return compare(without_trace(got), wanted)


def maildir(where, name):
    patience = time.monotonic() + 30
    while not (files := glob.glob(os.path.join(where, name, "new", "*"))):
        if time.monotonic() > patience:
            return "not there"
        time.sleep(0.02)
    if len(files) > 1:
        return "%d of them" % len(files)
    with open(files[0], "rb") as f:
        got = without_trace(f.read().replace(b"\r\n", b"\n"))
    wanted = ALL[name].message.replace(b"\r\n", b"\n")
    if not wanted.endswith(b"\n") and got.endswith(b"\n"):
        wanted += b"\n"
    return compare(got, wanted)


def main():
    words = sys.argv[1:]
    options = {}
    while words[0].startswith("--"):
        options[words.pop(0)[2:]] = True
    if words == ["cases"]:
        print(*ALL)
        return
    what, where, *names = words
    if what == "offers":
        w = Wire(int(where), **options)
        print(*[n for n in names if n in w.offers])
        return
    run = {"send": send, "hop": hop, "maildir": maildir}[what]
    for name in names:
        print(name, run(where, name, **options), flush=True)


ALL = cases()
main()
