#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""What the scripts here cannot do in sh: ports, messages, and two clients.

ports N                 N free ports, in one line
make KIND FILE          a message for a test: plain, big, eight or dots
hash FILE ...           a digest of each message without the fields that
                        hops put on top of it, whatever its line ends are
send PORT FILE ...      deliver with smtplib, all in one session
talk PORT FILE          one message, step by step, each reply in a line

The messages are octets, never text: nothing here may repair what a test is
to find.  talk is a client of its own, since smtplib does not say which
command got which reply, and cannot stop in the middle of a message.
"""

import argparse
import hashlib
import random
import re
import smtplib
import socket
import ssl
import sys

TRACE = (b"return-path", b"received", b"delivered-to", b"x-original-to")
BIG = 20 * 1024 * 1024
DEADLINE = 120      # seconds that any one answer may take


def ports(args):
    """Bind them all before one is printed, so that no two are the same.

    They lie below those that the kernel gives to outgoing connections: else
    a client's could take the port of a server that is being restarted.
    """
    low = 32768
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range") as f:
            low = int(f.read().split()[0])
    except OSError:
        pass
    held = []
    while len(held) < args.n:
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", random.randrange(low // 3, low)))
            held.append(s)
        except OSError:
            s.close()
    print(*(s.getsockname()[1] for s in held))


# --- messages ---------------------------------------------------------------

def header(kind):
    """The Received below our own fields is the message's, and must stay."""
    return (b"From: Sender <sender@example.net>\r\n"
            b"To: Reader <reader@example.org>\r\n"
            b"Subject: a message of the kind " + kind.encode() + b"\r\n"
            b"Date: Mon, 02 Jan 2023 03:04:05 +0000\r\n"
            b"Message-ID: <" + kind.encode() + b".1@example.net>\r\n"
            b"Received: from far (far [192.0.2.1]) by away; Mon,\r\n"
            b"\t02 Jan 2023 03:04:04 +0000\r\n"
            b"X-Folded: one\r\n"
            b"\ttwo\r\n")


def make(args):
    r = random.Random(args.kind)
    head = header(args.kind)
    if args.kind == "plain":
        body = b"A line.\r\n\r\nAnother, and  blanks at its end. \t \r\n\r\n"
    elif args.kind == "big":
        letters = bytes(range(33, 37)) + bytes(range(38, 92))
        noise = r.randbytes(BIG).translate((letters * 5)[:256])
        out, at = [], 0
        while at < BIG:
            n = r.randrange(0, 120)
            out.append(noise[at:at + n])
            at += n + 2
        body = b"\r\n".join(out)[:BIG - 2] + b"\r\n"
    elif args.kind == "eight":
        head += (b"MIME-Version: 1.0\r\n"
                 b"Content-Type: text/plain; charset=iso-8859-1\r\n"
                 b"Content-Transfer-Encoding: 8bit\r\n")
        every = bytes(c for c in range(1, 256) if c not in b"\r\n%\\")
        body = b"".join(every[i:] + every[:i] + b"\r\n" for i in range(128))
    elif args.kind == "dots":
        lines = [b".", b"..", b"...", b".x", b"..x", b". ", b" .", b"x.",
                 b"", b".", b"", b".", b".", b".QUIT", b"QUIT", b"." * 70,
                 b"RSET", b"DATA", b".\t", b"", b"", b".", b"end", b"."]
        body = b"".join(l + b"\r\n" for l in lines * 50)
    else:
        sys.exit("make: " + args.kind + "?")
    with open(args.file, "wb") as f:
        f.write(head + b"\r\n" + body)


def without_trace(data):
    """Cut off the fields at the top that hops added, with what is folded."""
    while True:
        name = re.match(rb"([!-9;-~]+)[ \t]*:", data)
        if name is None or name[1].lower() not in TRACE:
            return data
        data = data[re.match(rb"[^\n]*\n(?:[ \t][^\n]*\n)*", data).end():]


def digest(args):
    for name in args.file:
        with open(name, "rb") as f:
            data = f.read().replace(b"\r\n", b"\n")
        print(hashlib.sha256(without_trace(data)).hexdigest())


# --- clients ----------------------------------------------------------------

def context(args):
    return ssl.create_default_context(cafile=args.ca)


def send(args):
    def expect(wanted, reply):
        if reply[0] != wanted:
            print(reply[0], reply[1].decode("latin-1").replace("\n", "|"))
            sys.exit(1)

    with smtplib.SMTP("127.0.0.1", args.port, "client.test",
                      DEADLINE) as c:
        c.ehlo_or_helo_if_needed()
        if args.ca is not None:
            expect(220, c.starttls(context=context(args)))
            expect(250, c.ehlo())
        for name in args.file:
            with open(name, "rb") as f:
                data = f.read()
            options = [] if data.isascii() else ["BODY=8BITMIME"]
            expect(250, c.mail(args.sender, options))
            expect(250, c.rcpt(args.to[0]))
            reply = c.data(data)
            expect(250, reply)
            print(reply[0], reply[1].decode("latin-1"))


class Talk:
    """A connection whose every reply is printed behind the name of what it
    is a reply to."""

    def __init__(self, args):
        self.socket = socket.create_connection(("127.0.0.1", args.port),
                                               DEADLINE)
        self.file = self.socket.makefile("rb")
        self.reply("connect")
        self.say("ehlo", "EHLO client.test")
        if args.ca is not None:
            self.say("starttls", "STARTTLS")
            self.socket = context(args).wrap_socket(
                self.socket, server_hostname="127.0.0.1")
            self.file = self.socket.makefile("rb")
            self.say("ehlo", "EHLO client.test")

    def reply(self, to):
        """The last line; the code is 0 when the connection is gone."""
        try:
            line = self.file.readline()
            while line[3:4] == b"-":
                line = self.file.readline()
        except OSError:
            line = b""
        text = line.decode("latin-1").rstrip("\r\n") or "0 closed"
        print(to, text, flush=True)
        return int(text.split()[0])

    def put(self, octets):
        try:
            self.socket.sendall(octets)
        except OSError:
            pass            # the reply tells

    def say(self, to, line):
        self.put(line.encode() + b"\r\n")
        return self.reply(to)


def hold(where, args):
    """Say where we are, and wait until somebody writes to the pipe."""
    if where == args.at:
        print("hold", where, flush=True)
        with open(args.hold) as f:
            f.readline()


def talk(args):
    with open(args.file[0], "rb") as f:
        data = re.sub(rb"(?m)^\.", b"..", f.read())
    t = Talk(args)
    for _ in range(args.again):
        size = " SIZE=%d" % len(data) if args.size else ""
        hold("mail", args)
        t.say("mail", "MAIL FROM:<%s>%s" % (args.sender, size))
        for to in args.to:
            t.say("rcpt", "RCPT TO:<%s>" % to)
        if t.say("data", "DATA") == 354:
            t.put(data[:len(data) // 2])
            hold("half", args)
            t.put(data[len(data) // 2:] + b".\r\n")
            hold("dot", args)
            t.reply("dot")
        else:
            t.say("rset", "RSET")
    t.say("quit", "QUIT")


def main():
    p = argparse.ArgumentParser()
    sub = p.add_subparsers(required=True)
    c = sub.add_parser("ports")
    c.add_argument("n", type=int)
    c.set_defaults(run=ports)
    c = sub.add_parser("make")
    c.add_argument("kind")
    c.add_argument("file")
    c.set_defaults(run=make)
    c = sub.add_parser("hash")
    c.add_argument("file", nargs="+")
    c.set_defaults(run=digest)
    for name, run in (("send", send), ("talk", talk)):
        c = sub.add_parser(name)
        c.add_argument("--from", dest="sender", default="sender@example.net")
        c.add_argument("--to", action="append", required=True)
        c.add_argument("--ca", help="STARTTLS, and judge by this certificate")
        c.add_argument("--size", action="store_true", help="declare it")
        c.add_argument("--again", type=int, default=1, help="messages")
        c.add_argument("--hold", help="a pipe to wait for")
        c.add_argument("--at", help="where: mail, half or dot")
        c.add_argument("port", type=int)
        c.add_argument("file", nargs="+")
        c.set_defaults(run=run)
    args = p.parse_args()
    args.run(args)


main()
