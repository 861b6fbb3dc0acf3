# Copyright (c) 2026 The postern authors
#
# SPDX-License-Identifier: ISC

# The form of the sources, as far as it is certain: what this says is wrong,
# and no more than that.  Needs strip.awk.  TEXT=1: the files are no C, look
# at lines only.

function finding(what) {
	print FILENAME ":" FNR ": " what
}

function width(line,	i, n, w) {
	if (line !~ /\t/)
		return length(line)
	n = length(line)
	for (i = 1; i <= n; i++)
		w = substr(line, i, 1) == "\t" ? w + 8 - w % 8 : w + 1
	return w
}

# The place of the bracket that closes the one at i; 0: in another line.
function closing(line, i,	depth, n, c) {
	n = length(line)
	for (; i <= n; i++) {
		c = substr(line, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && --depth == 0)
			return i
	}
	return 0
}

function check_return(code,	i) {
	if (!match(code, /(^|[^A-Za-z0-9_])return \(/))
		return
	i = closing(code, RSTART + RLENGTH - 1)
	if (i > 0 && substr(code, i + 1, 1) == ";")
		finding("return with needless parentheses")
}

function check_code(code) {
	if (code ~ /(^|[^A-Za-z0-9_])(if|while|for|switch|return)\(/)
		finding("no space between keyword and parenthesis")
	if (code ~ /\/\//)
		finding("// comment")
	if (code ~ /^[\t ]*typedef / && code !~ /client_cb/)
		finding("typedef")
	# A line that begins with a comment is not indented by code.
	if (code ~ /[^ \t]/ && match($0, /[^ \t]/) == match(code, /[^ \t]/) &&
	    code !~ /^\t* ? ? ? ? ? ? ?[^ \t]/)
		finding("spaces where tabs belong")
	check_return(code)
	# Where a definition began; its name stands at the line's start.
	if (code ~ /^[A-Za-z_]/)
		begun = code
	else if (code ~ /^\{/ &&
	    begun ~ /^[A-Za-z_][A-Za-z0-9_ \t*]*[ \t*][A-Za-z0-9_]+\(/ &&
	    begun !~ /__attribute__/)
		finding("return type on the line of the function's name")
}

FNR == 1 {
	strip_reset()
	begun = ""
}

{
	if ($0 ~ /[ \t\r]$/)
		finding("trailing blank")
	if ($0 ~ / \t/)
		finding("space before tab")
	if ($0 ~ /[^\t -~]/)
		finding("not printable US-ASCII")
	if (width($0) > 80)
		finding("longer than 80 columns")
	if (!TEXT)
		check_code(strip($0))
}
