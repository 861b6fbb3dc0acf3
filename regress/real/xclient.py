#!/usr/bin/env python3
#
# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

"""Say of a client that is not here who it is, and deliver for it.

    xclient.py xclient|lmtp|v1|v2 PORT N ADDRESS

N messages, all in one session for XCLIENT (in LMTP with lmtp) and one each
for PROXY, from clients at ADDRESS, whose last octet counts.  Each has the
field X-Client as ledger writes it.  With XCLIENT the sixth message, if there
are so many, is from a client of whom nothing is said: it claims to be
somebody, and a judge who does not see that it is taken for the fifth is
blind.
"""

import sys

from names import confirmed
from wire import Wire, proxy_header

DEST, DESTPORT = "127.0.0.1", 25


def client(i):
    base, _, last = sys.argv[4].rpartition(".")
    return "%s.%d" % (base, int(last) + i), 2000 + i, "x%d.test" % i


def expect(wanted, reply):
    if reply.code != wanted:
        sys.exit("wanted %d, got %s" % (wanted, reply))


def deliver(w, i):
    address, port, name = client(i)
    expect(250, w.say("MAIL FROM:<x%d@example.net>" % i))
    expect(250, w.say("RCPT TO:<x%d@example.org>" % i))
    expect(354, w.say("DATA"))
    w.put(b"Subject: x\r\nX-Client: %s %d ESMTP %s\r\n\r\nx\r\n.\r\n"
          % (address.encode(), port, name.encode()))
    expect(250, w.reply())


def main():
    way, to, n = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    one = way in ("xclient", "lmtp")
    w = Wire(to, lmtp=way == "lmtp") if one else None
    for i in range(n):
        address, port, name = client(i)
        if one:
            if i != 5:
                expect(220, w.say("XCLIENT NAME=%s ADDR=%s PORT=%d "
                                  "PROTO=ESMTP HELO=%s LOGIN=[UNAVAILABLE]"
                                  % (confirmed(address), address, port, name)))
                expect(250, w.hello("between.test"))
        else:
            w = Wire(to, header=proxy_header(way, address, port, DEST,
                                             DESTPORT), name=name)
        deliver(w, i)
        if not one:
            w.close()
    if one:
        w.close()


main()
