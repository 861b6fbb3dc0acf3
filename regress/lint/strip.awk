# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# strip(line): a line of C with what is no code made harmless: the text of
# comments becomes blanks, that of strings and characters x.  Columns stay.
# To be called for every line of a file in order; strip_reset() begins one.
# Loaded in front of another program: awk -f strip.awk -f knf.awk.

function strip_reset() {
	in_comment = 0
}

# The end of a string or character that begins at i.
function strip_quote(line, i,	q, j, n) {
	q = substr(line, i, 1)
	n = length(line)
	for (j = i + 1; j <= n; j++) {
		if (substr(line, j, 1) == "\\")
			j++
		else if (substr(line, j, 1) == q)
			return j
	}
	return n
}

function strip_fill(c, n,	s) {
	for (s = ""; n > 0; n--)
		s = s c
	return s
}

function strip(line,	out, i, j, n, c, two) {
	if (!in_comment && line !~ /["'\/]/)
		return line
	out = ""
	n = length(line)
	for (i = 1; i <= n; i++) {
		c = substr(line, i, 1)
		two = substr(line, i, 2)
		if (in_comment) {
			if (two == "*/") {
				in_comment = 0
				out = out " "
				i++
			}
			out = out (c == "\t" ? c : " ")
		} else if (two == "/*") {
			in_comment = 1
			out = out "  "
			i++
		} else if (c == "\"" || c == "'") {
			j = strip_quote(line, i)
			out = out c strip_fill("x", j - i - 1) c
			i = j
		} else
			out = out c
	}
	return out
}
