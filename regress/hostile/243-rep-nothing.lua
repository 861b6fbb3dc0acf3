-- want: pass
assert(string.rep('', 1 << 62) == '')
assert(string.rep('', 1 << 62, '') == '')
assert(('x'):rep(-1 << 62) == '')
