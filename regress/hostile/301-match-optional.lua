-- want: pass
assert(not ('a'):rep(28):find(('a?'):rep(28) .. ('a'):rep(29)) or true)
