/*
 * Copyright (c) 2026 The postern authors
 *
 * SPDX-License-Identifier: ISC
 */

/*
 * Internationalized domain names (RFC 5890): from what people write to the
 * A-labels that DNS, certificates, lists and keys have.  The way back is
 * not needed: what is printed for others is what they sent.
 */
#ifndef IDN_H
#define IDN_H

#include <stdbool.h>
#include <stddef.h>

#define IDN_MAX		253	/* octets of a domain in A-labels */

/*
 * The domain in A-labels and lower case into out; IDN_MAX + 1 octets always
 * suffice.  0, or -1 and errno: EINVAL if it is no domain name (labels of
 * letters, digits, "-" and "_", and valid IDNA2008 labels; 63 octets for a
 * label, 253 in all, once they are converted), ENOMEM.  out is "" then.
 *
 * A label of ASCII stays what it is in lower case, an "xn--" that nobody can
 * decode too.  In others, capitals and full-width letters are mapped as
 * UTS 46 (non-transitional) says.  Refused: dots of other scripts (RFC 5321
 * knows one), characters that mapping would drop without a trace, and labels
 * that mapping would turn into plain ASCII, which only hide a name.
 *
 * A domain of ASCII never touches the library: nothing is allocated.
 */
int	idn_to_ascii(const char *domain, char *out, size_t size);

/*
 * The same for what stands in lists and rules: DOMAIN, .DOMAIN, @DOMAIN or
 * LOCAL-PART@DOMAIN.  What is before the domain stays as it is.
 */
int	idn_address_to_ascii(const char *address, char *out, size_t size);

/* Are there octets over 127? */
bool	idn_is_8bit(const char *);

#endif
